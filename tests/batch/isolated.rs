//! Batches that are rendered in confined processes.

use serde_json::json;

use super::pictures::Pictures;
use super::{Folder, read};

#[tokio::test(flavor = "multi_thread")]
async fn isolated_rows_equal_rows_of_this_process() {
    let (here, isolated) = (Folder::new(), Folder::new());
    let pictures = Pictures::serve(u64::MAX, false).await;
    pictures.lose(&[3]);
    for folder in [&here, &isolated] {
        folder.write("rows.csv", pictures.rows(5) + "too few\n");
    }
    let arguments = ["card.json", "rows.csv", "-o", "out/{row}.png"];
    let (plain, confined) = (here.batch(&arguments), isolated.batch(&[&arguments[..], &["--isolate"]].concat()));
    plain.expect(5, "4 of 6 rows done, 2 failed");
    confined.expect(5, "4 of 6 rows done, 2 failed");
    for row in [1, 2, 4, 5] {
        let name = format!("out/{row}.png");
        assert!(read(&here.path(&name)) == read(&isolated.path(&name)), "row {row}");
    }
    let (here, isolated) = (here.manifest(), isolated.manifest());
    for (row, line) in here {
        let members = ["status", "file", "sha256", "fingerprint", "error", "problems", "warnings"];
        for member in members {
            assert_eq!(line[member], isolated[&row][member], "row {row}");
        }
    }
}

#[test]
fn isolated_rows_become_pages_and_one_document() {
    let folder = Folder::new();
    let mut design: serde_json::Value = serde_json::from_slice(&read(&folder.path("card.json"))).expect("JSON");
    let mut second = design["pages"][0].clone();
    second["id"] = json!("two");
    design["pages"].as_array_mut().expect("pages").push(second);
    folder.write("card.json", design);
    folder.write("rows.json", json!([{"name": "Ada"}, {"name": "Zoë"}]));
    let pages = ["card.json", "rows.json", "-o", "out/{row}-{page}.png", "--all-pages", "--isolate"];
    folder.batch(&pages).expect(0, "2 of 2 rows done");
    assert_eq!(folder.out(), ["1-1.png", "1-2.png", "2-1.png", "2-2.png", "manifest.ndjson", "manifest.run.ndjson"]);
    let document = ["card.json", "rows.json", "-o", "all/all.pdf", "--vector", "--reproducible"];
    folder.batch(&document).expect(0, "4 pages in all/all.pdf");
    let here = read(&folder.path("all/all.pdf"));
    std::fs::remove_dir_all(folder.path("all")).expect("removed");
    folder.batch(&[&document[..], &["--isolate"]].concat()).expect(0, "4 pages in all/all.pdf");
    assert!(read(&folder.path("all/all.pdf")) == here, "the documents differ");
}
