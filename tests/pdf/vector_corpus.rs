//! The templates of the reference corpus, when `../shared/corpus` is there.

use std::fs;
use std::path::Path;

use tenter::output::{PictureFormat, Png};

use crate::vector_document::{settings, write};
use crate::vector_scenes::Scenes;

const TEMPLATES: &str = "../shared/corpus/templates";

#[test]
fn vector_templates_are_written() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vector");
    fs::create_dir_all(&out).unwrap();
    let scenes = Scenes::new();
    for entry in fs::read_dir(TEMPLATES).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let design = fs::read(entry.path().join("design.json")).unwrap();
        let design = tenter::json::parse(&design, 100).unwrap();
        let pages = scenes.pages(&design);
        let document = write(&pages[..1], settings()).unwrap();
        fs::write(out.join(format!("{name}.pdf")), &document.bytes).unwrap();
        for warning in document.warnings {
            println!("{name}: {warning}");
        }
        let picture = scenes.picture(&pages[0], 2.0);
        let png = PictureFormat::write(&Png, &picture, &Default::default()).unwrap();
        fs::write(out.join(format!("{name}.png")), png).unwrap();
        println!("{name}: {} bytes", document.bytes.len());
    }
}
