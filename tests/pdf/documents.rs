//! PDF page boxes, page selection, raster pages, metadata and refused options.

use axum::http::StatusCode;
use serde_json::json;

use crate::calls::{call, card, document, pages, refusal};
use crate::service::service;
use crate::structure::{Boxes, Objects};
use crate::tools;

#[tokio::test]
async fn boxes_nest_around_bleed_and_marks() {
    let service = service(&[]);
    let options = json!({"includeBleed": true, "cropMarkSize": 30});
    let file = document(&service, &card(), options, "boxes").await;
    let Some(objects) = Objects::of(&file) else { return };
    // The boxes are those of pdf.md §1.
    let expected = Boxes {
        media: vec![0.0, 0.0, 500.0, 400.0],
        crop: vec![0.0, 0.0, 500.0, 400.0],
        bleed: vec![30.0, 30.0, 470.0, 370.0],
        trim: vec![50.0, 50.0, 450.0, 350.0],
    };
    assert_eq!(objects.boxes(), [expected]);
}

#[tokio::test]
async fn pages_have_their_own_sizes_and_are_chosen_in_design_order() {
    let service = service(&[]);
    let design = pages(&[(100.0, 50.0), (30.0, 60.0), (20.0, 20.0)]);
    let file = document(&service, &design, json!({"pageIds": ["c", "a"], "dpi": 144}), "sizes").await;
    let Some(objects) = Objects::of(&file) else { return };
    let media: Vec<_> = objects.boxes().into_iter().map(|it| it.media).collect();
    assert_eq!(media, [vec![0.0, 0.0, 50.0, 25.0], vec![0.0, 0.0, 10.0, 10.0]]);
}

#[tokio::test]
async fn raster_pages_are_one_image_at_the_requested_pixel_ratio() {
    let service = service(&[]);
    // Two crossing gradients have too many colours for lossless compression.
    let layer = |id: &str, fill: &str| json!({"id": id, "type": "figure", "subType": "rect", "width": 400, "height": 300, "fill": fill, "strokeWidth": 0});
    let mut design = card();
    design["pages"][0]["children"] = json!([
        layer("across", "linear-gradient(90deg, #ff0000 0%, #0000ff 100%)"),
        layer("down", "linear-gradient(180deg, rgba(0,255,0,0) 0%, rgba(0,255,0,1) 100%)"),
    ]);
    let options = json!({"includeBleed": true, "pixelRatio": 2, "quality": 0.5});
    let file = document(&service, &design, options, "raster").await;
    let Some(list) = tools::text("pdfimages", "poppler-utils", &["-list"], &file) else { return };
    let line = list.lines().nth(2).expect("one picture").split_whitespace().collect::<Vec<_>>();
    assert_eq!((list.lines().count(), &line[3..6]), (3, ["880", "680", "rgb"].as_slice()), "{list}");
    assert_eq!((line[8], line[12]), ("jpeg", "144"), "{list}");
    let some = document(&service, &card(), json!({}), "raster-some").await;
    let list = tools::text("pdfimages", "poppler-utils", &["-list"], &some).expect("as before");
    assert!(list.contains(" rgb ") && !list.contains("jpeg"), "a drawing is stored losslessly: {list}");
    let few = document(&service, &pages(&[(40.0, 40.0)]), json!({}), "raster-few").await;
    let list = tools::text("pdfimages", "poppler-utils", &["-list"], &few).expect("as before");
    assert!(list.contains("index") && !list.contains("jpeg"), "{list}");
}

#[tokio::test]
async fn vector_pages_keep_their_text() {
    let service = service(&[]);
    let file = document(&service, &card(), json!({"vector": true}), "vector").await;
    if tools::text("pdftotext", "poppler-utils", &[], &file).is_none() {
        return;
    }
    let text = std::fs::read_to_string(file.with_extension("txt")).expect("pdftotext writes beside the file");
    assert!(text.contains("Aubergine"), "{text}");
    let fonts = tools::text("pdffonts", "poppler-utils", &[], &file).expect("as before");
    let line = fonts.lines().nth(2).expect("one font");
    assert!(line.contains("yes yes yes"), "embedded, subset, with Unicode: {fonts}");
}

#[tokio::test]
async fn metadata_comes_from_the_design_or_the_options() {
    let service = service(&[]);
    let file = document(&service, &card(), json!({"creationDate": "2026-11-23T12:00:00+02:00"}), "named").await;
    let Some(objects) = Objects::of(&file) else { return };
    assert_eq!(objects.version(), "1.7");
    assert_eq!(objects.info()["/Title"], "u:Card");
    assert_eq!(objects.info()["/CreationDate"], "u:D:20261123100000Z");
    let xmp = String::from_utf8(objects.data(&objects.catalog()["/Metadata"])).expect("text");
    assert!(xmp.contains("Card") && xmp.contains("2026-11-23T10:00:00Z"), "{xmp}");
    let file = document(&service, &card(), json!({"title": "Grüße"}), "titled").await;
    assert_eq!(Objects::of(&file).expect("as before").info()["/Title"], "u:Grüße");
}

#[tokio::test]
async fn reproducible_documents_have_equal_bytes() {
    let service = service(&[]);
    for vector in [false, true] {
        let options = json!({"reproducible": true, "vector": vector});
        let one = call(&service, &card(), options.clone()).await;
        let other = call(&service, &card(), options).await;
        assert_eq!(one.status, StatusCode::OK);
        assert_eq!(one.body, other.body, "vector: {vector}");
    }
}

#[tokio::test]
async fn refusals_name_the_option_and_the_accepted_values() {
    let service = service(&[]);
    let refused = async |options| refusal(&service, &card(), options).await;
    let (status, error) = refused(json!({"pageIds": ["front", "back"]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(error, "exportOptions.pageIds[1]: No page for export with id back; the design has front");
    let (status, error) = refused(json!({"dpi": 0})).await;
    assert!(status == StatusCode::BAD_REQUEST && error.starts_with("exportOptions.dpi: found the number 0"), "{error}");
    let (status, error) = refused(json!({"dpi": 1})).await;
    assert!(status == StatusCode::BAD_REQUEST && error.starts_with("design.pages[0]: the sheet would be"), "{error}");
    let (status, error) = refused(json!({"pdfa": "2b"})).await;
    assert!(status == StatusCode::NOT_IMPLEMENTED && error.contains("PDF/A"), "{error}");
    let (status, error) = refused(json!({"pdfx": "x-4", "color": {"space": "RGB"}})).await;
    assert!(status == StatusCode::BAD_REQUEST && error.starts_with("exportOptions.color.space: "), "{error}");
    let (status, error) = refused(json!({"pdfx": "x-4"})).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && error.contains("TENTER_ICC_DIR"), "{error}");
}

#[tokio::test]
async fn broken_fonts_are_errors_that_name_the_font() {
    let service = service(&[]);
    let mut design = card();
    design["fonts"] =
        json!([{"fontFamily": "Broken", "styles": [{"src": "url('data:font/ttf;base64,AAEAAAAAAAAAAAAA')"}]}]);
    design["pages"][0]["children"][0]["fontFamily"] = json!("Broken");
    let (status, error) = refusal(&service, &design, json!({"vector": true})).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && error.contains("Broken"), "{error}");
}

#[tokio::test]
async fn pages_as_pictures_have_the_links_of_their_elements_and_words() {
    let service = service(&[]);
    let mut design = card();
    design["pages"][0]["children"] = json!([
        {"type": "figure", "x": 10, "y": 20, "width": 30, "height": 40, "link": "https://example.com/figure"},
        {"type": "text", "text": "<p><a href=\"https://example.com/word\">word</a></p>", "x": 100, "width": 100, "height": 30},
    ]);
    let file = document(&service, &design, json!({}), "raster-links").await;
    let Some(objects) = Objects::of(&file) else { return };
    assert_eq!(objects.pages()[0]["/Annots"].as_array().map(Vec::len), Some(2));
}
