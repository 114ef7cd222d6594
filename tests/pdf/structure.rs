//! The objects of a PDF file, read through `qpdf --json`, and checks of print standards on them.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::tools;

/// All objects of a file, with all streams except images decoded.
pub(crate) struct Objects {
    header: Value,
    objects: serde_json::Map<String, Value>,
}

/// The boxes of a page in points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Boxes {
    pub(crate) media: Vec<f64>,
    pub(crate) crop: Vec<f64>,
    pub(crate) bleed: Vec<f64>,
    pub(crate) trim: Vec<f64>,
}

impl Objects {
    /// Reads a file; returns `None` when qpdf is not installed.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let arguments = ["--json=2", "--json-stream-data=inline", "--decode-level=generalized"];
        let text = tools::text("qpdf", "qpdf", &arguments, file)?;
        let mut json: Value = serde_json::from_str(&text).expect("qpdf writes JSON");
        let header = json["qpdf"][0].take();
        let Value::Object(objects) = json["qpdf"][1].take() else { panic!("no objects") };
        Some(Self { header, objects })
    }

    pub(crate) fn version(&self) -> &str {
        self.header["pdfversion"].as_str().expect("a version")
    }

    pub(crate) fn trailer(&self) -> &Value {
        &self.objects["trailer"]["value"]
    }

    pub(crate) fn catalog(&self) -> &Value {
        self.follow(&self.trailer()["/Root"])
    }

    pub(crate) fn info(&self) -> &Value {
        self.follow(&self.trailer()["/Info"])
    }

    /// Resolves `value` if it is a reference.
    pub(crate) fn follow<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(object) = value.as_str().and_then(|it| self.objects.get(&format!("obj:{it}"))) else { return value };
        if object["stream"].is_null() { &object["value"] } else { &object["stream"]["dict"] }
    }

    /// Decoded bytes of a stream.
    pub(crate) fn data(&self, value: &Value) -> Vec<u8> {
        let stream = &self.objects[&format!("obj:{}", value.as_str().expect("a reference"))]["stream"];
        STANDARD.decode(stream["data"].as_str().expect("a stream")).expect("base64")
    }

    pub(crate) fn pages(&self) -> Vec<&Value> {
        let kids = self.follow(&self.catalog()["/Pages"])["/Kids"].as_array().expect("pages");
        kids.iter().map(|it| self.follow(it)).collect()
    }

    pub(crate) fn boxes(&self) -> Vec<Boxes> {
        let numbers = |page: &Value, name: &str| {
            let corners = page[name].as_array().unwrap_or_else(|| panic!("a page without {name}"));
            corners.iter().map(|it| it.as_f64().expect("a number")).collect()
        };
        let boxes = |page: &&Value| Boxes {
            media: numbers(page, "/MediaBox"),
            crop: numbers(page, "/CropBox"),
            bleed: numbers(page, "/BleedBox"),
            trim: numbers(page, "/TrimBox"),
        };
        self.pages().iter().map(boxes).collect()
    }

    /// Every dictionary of the file, including those of streams and nested ones.
    fn dictionaries(&self) -> Vec<&serde_json::Map<String, Value>> {
        fn collect<'a>(value: &'a Value, into: &mut Vec<&'a serde_json::Map<String, Value>>) {
            match value {
                Value::Object(members) => {
                    into.push(members);
                    members.values().for_each(|it| collect(it, into));
                }
                Value::Array(entries) => entries.iter().for_each(|it| collect(it, into)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        for object in self.objects.values() {
            collect(&object["value"], &mut found);
            collect(&object["stream"]["dict"], &mut found);
        }
        found
    }

    /// Every name and string of the file.
    fn words(&self) -> Vec<&str> {
        fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
            match value {
                Value::String(text) => into.push(text),
                Value::Array(entries) => entries.iter().for_each(|it| collect(it, into)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        for dictionary in self.dictionaries() {
            for (name, value) in dictionary {
                found.push(name.as_str());
                collect(value, &mut found);
            }
        }
        for object in self.objects.values() {
            collect(&object["value"], &mut found);
        }
        found
    }

    /// Operators of all content streams: those of pages, forms and glyphs.
    pub(crate) fn operators(&self) -> Vec<String> {
        let mut found = Vec::new();
        for page in self.pages() {
            found.extend(operators(&self.data(&page["/Contents"])));
        }
        for object in self.objects.values() {
            let stream = &object["stream"];
            if stream["dict"]["/Subtype"] == "/Form" {
                let data = STANDARD.decode(stream["data"].as_str().expect("a stream")).expect("base64");
                found.extend(operators(&data));
            }
        }
        found
    }

    /// Fails when a page uses RGB in an image, a shading or an operator.
    pub(crate) fn assert_no_rgb(&self) {
        let rgb = |it: &&str| matches!(*it, "/DeviceRGB" | "/CalRGB" | "/Lab");
        assert_eq!(self.words().into_iter().find(rgb), None);
        let rgb = |it: &String| matches!(it.as_str(), "rg" | "RG");
        assert_eq!(self.operators().into_iter().find(rgb), None);
    }

    /// Fails unless the file meets the requirements that PDF/X-4 and PDF/X-1a share (pdf.md §7).
    pub(crate) fn assert_meets_pdfx(&self, identifier: &str) {
        let trailer = self.trailer();
        assert!(trailer["/Encrypt"].is_null());
        assert_eq!(trailer["/ID"].as_array().map(Vec::len), Some(2));
        for name in ["/Title", "/CreationDate", "/ModDate", "/Producer"] {
            assert!(self.info()[name].is_string(), "{name}");
        }
        assert_eq!(self.info()["/Trapped"], "/False");
        let intents = self.catalog()["/OutputIntents"].as_array().expect("output intents");
        let [intent] = intents.as_slice() else { panic!("{intents:?}") };
        let intent = self.follow(intent);
        assert_eq!(
            (&intent["/S"], &intent["/OutputConditionIdentifier"]),
            (&"/GTS_PDFX".into(), &format!("u:{identifier}").into())
        );
        assert_eq!(self.follow(&intent["/DestOutputProfile"])["/N"], 4);
        assert!(
            self.data(&intent["/DestOutputProfile"])[36..].starts_with(b"acsp"),
            "the profile has the ICC signature"
        );
        for Boxes { media, crop, bleed, trim } in self.boxes() {
            assert_eq!(media, crop);
            for (outer, inner) in [(&media, &bleed), (&bleed, &trim)] {
                let nested =
                    outer[0] <= inner[0] && outer[1] <= inner[1] && inner[2] <= outer[2] && inner[3] <= outer[3];
                assert!(nested, "{outer:?} around {inner:?}");
            }
        }
        self.assert_no_rgb();
        let forbidden = ["/JavaScript", "/JS", "/AA", "/OpenAction", "/Annots", "/LZWDecode", "/JPXDecode", "/PS"];
        assert_eq!(self.words().into_iter().find(|it| forbidden.contains(it)), None);
        let embedded = |it: &&&serde_json::Map<String, Value>| {
            it.get("/Type") == Some(&"/FontDescriptor".into()) && !it.keys().any(|name| name.starts_with("/FontFile"))
        };
        assert_eq!(self.dictionaries().iter().find(embedded), None, "every font is embedded");
    }

    /// Fails when the file uses transparency.
    pub(crate) fn assert_opaque(&self) {
        for dictionary in self.dictionaries() {
            let get = |name: &str| dictionary.get(name);
            assert!(get("/SMask").is_none_or(|it| it == "/None"), "{dictionary:?}");
            assert!(get("/S") != Some(&"/Transparency".into()), "{dictionary:?}");
            for name in ["/ca", "/CA"] {
                assert!(get(name).is_none_or(|it| it.as_f64() == Some(1.0)), "{dictionary:?}");
            }
            assert!(get("/BM").is_none_or(|it| it == "/Normal"), "{dictionary:?}");
        }
    }
}

/// The operators of a content stream; strings and names are skipped.
fn operators(content: &[u8]) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(byte) = content.get(at) {
        match byte {
            b'(' => at = string_end(content, at),
            b'<' if content.get(at + 1) != Some(&b'<') => {
                at += content[at..].iter().position(|it| *it == b'>').expect("an end") + 1;
            }
            it if it.is_ascii_alphabetic() || matches!(it, b'\'' | b'"' | b'*') => {
                let word =
                    content[at..].iter().take_while(|it| it.is_ascii_alphanumeric() || **it == b'*').count().max(1);
                found.push(String::from_utf8_lossy(&content[at..at + word]).into_owned());
                at += word;
            }
            b'/' => at += 1 + content[at + 1..].iter().take_while(|it| it.is_ascii_alphanumeric()).count(),
            _ => at += 1,
        }
    }
    found
}

fn string_end(content: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    loop {
        match content[at] {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
}

#[test]
fn operators_are_found_beside_strings_and_names() {
    let content = b"/Im1 Do 1 0 0 rg (rg \\) (RG)) Tj <72> Tj [(a) 3 <62>] TJ f* T*";
    assert_eq!(operators(content), ["Do", "rg", "Tj", "Tj", "TJ", "f*", "T*"]);
}
