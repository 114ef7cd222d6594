//! The marker segments of a JPEG file (ITU-T T.81 §B.1.1).

/// A marker segment before the first scan.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Contents after marker and length.
    pub(super) body: &'a [u8],
    /// Rest of the file after the segment.
    pub(super) rest: &'a [u8],
}

/// Marker of a scan (SOS), whose entropy-coded data follow its segment.
pub(super) const SCAN: u8 = 0xda;

/// Segments from the start of `file` to its first scan, which is included; fewer when the file is damaged.
pub(super) fn segments(file: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut left = file.strip_prefix(&[0xff, 0xd8]).unwrap_or_default();
    std::iter::from_fn(move || {
        // Any number of fill bytes may precede a marker.
        let fill = left.iter().take_while(|byte| **byte == 0xff).count();
        let [marker, high, low, ..] = left.get(fill..).filter(|_| fill > 0)? else { return None };
        let end = fill + 1 + usize::from(u16::from_be_bytes([*high, *low]));
        let (body, rest) = (left.get(fill + 3..end)?, left.get(end..)?);
        left = if *marker == SCAN { &[] } else { rest };
        Some(Segment { marker: *marker, body, rest })
    })
}
