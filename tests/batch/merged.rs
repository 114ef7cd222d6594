//! Batches whose rows become one PDF.

use std::process::Command;

use serde_json::{Value, json};

use super::pictures::Pictures;
use super::{Folder, read, tools, wait};

const OUTPUT: [&str; 5] = ["card.json", "rows.csv", "-o", "out/all.pdf", "--vector"];

fn resuming() -> Vec<&'static str> {
    [&OUTPUT[..], &["--resume"]].concat()
}

impl Folder {
    /// Fails unless the document is complete, the manifest has each row's pages, and the pages have these words.
    #[track_caller]
    fn assert_document(&self, words: &[&str]) {
        let path = self.path("out/all.pdf");
        tools::read_by_all(&path);
        if let Some(found) = tools::words_by_page(&path) {
            assert_eq!(found, words);
        }
        let file = read(&path);
        let (mut next, mut made_of) = (1, None);
        for (row, line) in self.manifest() {
            if line["status"] != "done" {
                assert_eq!((&line["firstPage"], &line["file"]), (&Value::Null, &Value::Null), "row {row}");
                continue;
            }
            assert_eq!((&line["file"], &line["bytes"]), (&json!("out/all.pdf"), &json!(file.len())), "row {row}");
            assert_eq!(line["sha256"], tenter::hash::ContentHash::of(&file).to_string(), "row {row}");
            let fingerprint = line["fingerprint"].as_str().expect("of the document");
            assert_eq!((fingerprint.len(), made_of.get_or_insert(fingerprint.to_owned()).as_str()), (64, fingerprint));
            assert_eq!(line["firstPage"], next, "row {row}");
            next += line["pageCount"].as_u64().expect("a number");
        }
        assert_eq!(next, words.len() as u64 + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_one_document_without_failed_rows() {
    let folder = Folder::new();
    let pictures = Pictures::serve(u64::MAX, false).await;
    pictures.lose(&[2]);
    folder.write("rows.csv", pictures.rows(4) + "too few\n");
    let ended = folder.batch(&OUTPUT);
    ended.expect(5, "3 of 5 rows done, 2 failed");
    ended.expect(5, "3 pages in out/all.pdf; manifest: out/manifest.ndjson");
    folder.assert_document(&["row 1", "row 3", "row 4"]);
    let manifest = folder.manifest();
    assert!(
        manifest[&2]["error"].as_str().is_some_and(|it| it.contains("the server answered 404")),
        "{}",
        manifest[&2]
    );
    assert_eq!(manifest[&5]["error"], "row 5 (line 6): has 1 value; the first line has 2 names");

    // The images are available again: the document is rebuilt with all rows in order.
    pictures.lose(&[]);
    let resumed = folder.batch(&resuming());
    resumed.expect(5, "out/all.pdf: rendering all rows again, as they are in one document");
    resumed.expect(5, "4 of 5 rows done, 1 failed");
    folder.assert_document(&["row 1", "row 2", "row 3", "row 4"]);
    folder.batch(&OUTPUT).expect(2, "out/manifest.ndjson exists from an earlier run");
}

#[test]
fn rows_of_several_pages_follow_each_other() {
    let folder = Folder::new();
    let page = |id: &str| {
        let text = json!({"type": "text", "text": format!("{{name}} {id}"), "width": 60, "height": 20, "fontSize": 12});
        json!({"id": id, "children": [text]})
    };
    folder.write("card.json", json!({"width": 80, "height": 20, "pages": [page("A"), page("B"), page("C")]}));
    let rows = [json!({"name": "Ada"}), json!({"variables": {"name": "Bob"}, "options": {"pageIds": ["B"]}})];
    folder.write("rows.json", json!([rows[0], rows[1], {"variables": {"name": "Eve"}, "options": {"dpi": 300}}]));
    let ended = folder.batch(&["card.json", "rows.json", "-o", "out/all.pdf", "--vector", "--pages", "A,C"]);
    ended.expect(
        5,
        "row 3: exportOptions.dpi: must be the same for every row of one PDF (the document has the design's)",
    );
    folder.assert_document(&["Ada A", "Ada C", "Bob B"]);
    let place =
        |row: u64| folder.manifest()[&row].as_object().map(|it| (it["firstPage"].clone(), it["pageCount"].clone()));
    assert_eq!((place(1), place(2)), (Some((json!(1), json!(2))), Some((json!(3), json!(1)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn document_is_written_at_the_end_or_not_at_all() {
    let folder = Folder::new();
    let pictures = Pictures::serve(2, false).await;
    folder.write("rows.csv", pictures.rows(4));
    let child = folder.command(&OUTPUT).spawn().expect("runs");
    wait("the third row under way", || pictures.has_asked(3));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("runs").success());
    let ended = child.wait_with_output().expect("ends");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(4) && stderr.contains("stopped by SIGINT after 2 of 4 rows"), "{stderr}");
    assert_eq!(folder.out(), ["manifest.ndjson", "manifest.run.ndjson"]);
    assert!(folder.manifest().is_empty());
    pictures.release(u64::MAX);
    folder.batch(&resuming()).expect(0, "4 of 4 rows done, 0 failed");
    folder.assert_document(&["row 1", "row 2", "row 3", "row 4"]);

    // Without a rendered row there is no new document, and the existing one stays.
    let before = read(&folder.path("out/all.pdf"));
    folder.write("none.csv", "name,photo\n,file:///etc/passwd\n");
    let none = ["card.json", "none.csv", "-o", "out/all.pdf", "--manifest", "out/none.ndjson"];
    folder.batch(&none).expect(5, "0 of 1 rows done, 1 failed");
    assert!(read(&folder.path("out/all.pdf")) == before);
}

#[test]
fn rows_that_leave_a_placeholder_unfilled_are_not_in_the_document() {
    let folder = Folder::new();
    folder.write("rows.json", json!([{"nmae": "Bob"}, {"name": "Ada"}]));
    let ended = folder.batch(&["card.json", "rows.json", "-o", "out/all.pdf", "--vector"]);
    ended.expect(5, "every row of a batch must fill all placeholders");
    ended.expect(5, "1 page in out/all.pdf");
    folder.assert_document(&["Ada"]);
}

#[test]
fn one_document_refuses_options_for_separate_files() {
    let folder = Folder::new();
    folder.write("rows.csv", "name\nAda\n");
    let refused = |more: &[&str], words: &str| {
        folder.batch(&[&["card.json", "rows.csv"], more].concat()).expect(2, words);
        assert_eq!(folder.out(), Vec::<String>::new(), "{words}");
    };
    refused(&["-o", "out/all.pdf", "--concurrency", "2"], "--concurrency is for one file per row");
    refused(&["-o", "out/all-{page}.pdf"], "{page} is for picture formats");
    refused(&["-o", "out/all.pdf", "--all-pages"], "--all-pages is for picture formats");
    folder
        .batch(&["card.json", "rows.csv", "-o", "out/all.pdf", "--concurrency", "1"])
        .expect(0, "1 page in out/all.pdf");
}
