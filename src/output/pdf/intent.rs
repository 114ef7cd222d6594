//! Output intents: which press the inks of a file are meant for (ISO 32000-1, 14.11.5).

use pdf_writer::types::OutputIntentSubtype;
use pdf_writer::writers::Catalog;
use pdf_writer::{Chunk, Filter, Name, Ref, TextStr};

use crate::press::Press;

/// Who keeps the list of printing conditions that identifiers are from.
const REGISTRY: &str = "http://www.color.org";

/// Inks in a profile of a press.
const CHANNELS: i32 = 4;

/// Names `press` in the catalog. `profile`: where [`profile`] puts its profile.
pub(super) fn write(catalog: &mut Catalog<'_>, press: &Press, profile: Ref) {
    let condition = press.condition();
    let mut intents = catalog.output_intents();
    let mut intent = intents.push();
    intent.subtype(OutputIntentSubtype::PDFX);
    intent.output_condition_identifier(TextStr(condition.identifier));
    intent.output_condition(TextStr(condition.about));
    intent.registry_name(TextStr(REGISTRY)).info(TextStr(condition.about));
    intent.dest_output_profile(profile);
}

/// The profile itself.
pub(super) fn profile(chunk: &mut Chunk, id: Ref, press: &Press) {
    let packed = super::raster::deflate(press.icc());
    let mut stream = chunk.stream(id, &packed);
    stream.filter(Filter::FlateDecode);
    stream.pair(Name(b"N"), CHANNELS).pair(Name(b"Alternate"), Name(b"DeviceCMYK"));
}
