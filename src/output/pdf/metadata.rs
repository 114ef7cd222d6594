//! Writes title, dates and identifiers into the information dictionary and the XMP packet (pdf.md §5, §7).

use jiff::Timestamp;
use jiff::civil::DateTime as Civil;
use jiff::tz::TimeZone;
use pdf_writer::types::TrappingStatus;
use pdf_writer::{Date, Name, Pdf, Ref, TextStr};
use xmp_writer::{DateTime, LangId, RenditionClass, Timezone, XmpWriter};

use crate::hash::ContentHash;
use crate::options::PdfStandard;

const PRODUCER: &str = concat!("tenter ", env!("CARGO_PKG_VERSION"));

/// Metadata that the information dictionary and the XMP packet share.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) title: String,
    pub(super) created: Timestamp,
    pub(super) standard: Option<PdfStandard>,
}

/// Identifier of a file, derived from its content: equal bytes have equal identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity([u8; 16]);

impl Identity {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let hash = ContentHash::of(bytes);
        let (identity, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Self(*identity)
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn uuid(self) -> String {
        format!("uuid:{}", uuid::Builder::from_custom_bytes(self.0).as_uuid())
    }
}

impl Metadata {
    /// Writes the information dictionary. PDF/X requires the trapping status.
    pub(super) fn write_info(&self, pdf: &mut Pdf, id: Ref) {
        let at = self.civil();
        let date = Date::new(at.year().max(0) as u16)
            .month(at.month() as u8)
            .day(at.day() as u8)
            .hour(at.hour() as u8)
            .minute(at.minute() as u8)
            .second(at.second() as u8)
            .utc_offset_hour(0);
        let mut info = pdf.document_info(id);
        info.title(TextStr(&self.title)).creator(TextStr(PRODUCER)).producer(TextStr(PRODUCER));
        info.creation_date(date).modified_date(date);
        if self.standard.is_some() {
            info.trapped(TrappingStatus::NotTrapped);
        }
        if self.standard == Some(PdfStandard::X1a) {
            // ISO 15930-4, 6.13
            info.pair(Name(b"GTS_PDFXVersion"), TextStr("PDF/X-1a:2003"));
        }
    }

    /// Returns the XMP packet.
    pub(super) fn xmp(&self, identity: Identity) -> String {
        let at = self.civil();
        let [month, day, hour, minute, second] = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
        let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(|it| it as u8);
        let date = DateTime::new(at.year().max(0) as u16, month, day, hour, minute, second, Timezone::Utc);
        let mut xmp = XmpWriter::new();
        xmp.title([(None::<LangId<'_>>, self.title.as_str())]).format("application/pdf");
        xmp.create_date(date).modify_date(date).metadata_date(date);
        xmp.creator_tool(PRODUCER).producer(PRODUCER);
        let name = identity.uuid();
        xmp.document_id(&name).instance_id(&name).version_id("1").rendition_class(RenditionClass::Default);
        match self.standard {
            Some(PdfStandard::X4) => drop(xmp.trapped(false).pdfx_version("PDF/X-4")),
            Some(PdfStandard::X1a) => drop(xmp.trapped(false)),
            None => {}
        }
        xmp.finish(None)
    }

    fn civil(&self) -> Civil {
        self.created.to_zoned(TimeZone::UTC).datetime()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_equal_in_xmp_and_info() {
        let created = "2026-11-23T11:30:05+01:00".parse().expect("a date");
        let metadata = Metadata { title: "Blätter".into(), created, standard: Some(PdfStandard::X4) };
        let xmp = metadata.xmp(Identity::of(b"content"));
        for part in ["Blätter", "2026-11-23T10:30:05Z", "PDF/X-4", "<pdf:Trapped>False", PRODUCER, "uuid:"] {
            assert!(xmp.contains(part), "{part}: {xmp}");
        }
        let mut pdf = Pdf::new();
        metadata.write_info(&mut pdf, Ref::new(1));
        let info = String::from_utf8_lossy(pdf.as_bytes()).into_owned();
        for part in ["(D:20261123103005Z)", "/Trapped /False", PRODUCER] {
            assert!(info.contains(part), "{part}: {info}");
        }
        assert_eq!(Identity::of(b"content"), Identity::of(b"content"));
        assert_ne!(Identity::of(b"content"), Identity::of(b"contents"));
    }
}
