//! Output intents: the printing condition that the CMYK values of a file are meant for (ISO 32000-1, 14.11.5).

use pdf_writer::types::OutputIntentSubtype;
use pdf_writer::writers::Catalog;
use pdf_writer::{Chunk, Filter, Name, Ref, TextStr};

use crate::print::OutputProfile;

/// Registry that the identifiers of printing conditions come from.
const REGISTRY: &str = "http://www.color.org";

/// Channels of a CMYK profile.
const CHANNELS: i32 = 4;

/// Writes the output intent for `profile` into the catalog. `profile_ref`: the object that [`profile`] writes.
pub(super) fn write(catalog: &mut Catalog<'_>, profile: &OutputProfile, profile_ref: Ref) {
    let condition = profile.output_condition();
    let mut intents = catalog.output_intents();
    let mut intent = intents.push();
    intent.subtype(OutputIntentSubtype::PDFX);
    intent.output_condition_identifier(TextStr(condition.identifier));
    intent.output_condition(TextStr(condition.about));
    intent.registry_name(TextStr(REGISTRY)).info(TextStr(condition.about));
    intent.dest_output_profile(profile_ref);
}

/// Writes the ICC profile as the object `id`.
pub(super) fn profile(chunk: &mut Chunk, id: Ref, profile: &OutputProfile) {
    let packed = super::raster::deflate(profile.icc());
    let mut stream = chunk.stream(id, &packed);
    stream.filter(Filter::FlateDecode);
    stream.pair(Name(b"N"), CHANNELS).pair(Name(b"Alternate"), Name(b"DeviceCMYK"));
}
