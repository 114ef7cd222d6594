//! Memory of long documents, whose pages are written one by one.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

const PAGES: usize = 500;

/// Largest allowed peak memory of the program, in MiB.
const MAX_PEAK_MIB: u64 = 300;

#[test]
fn five_hundred_pages_take_bounded_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = |index: usize| {
        let children = json!([
            {"id": format!("t{index}"), "type": "text", "text": format!("Page {index}"), "x": 20, "y": 20, "width": 400,
             "height": 60, "fontSize": 40, "fontFamily": "Roboto"},
            {"id": format!("g{index}"), "type": "figure", "subType": "circle", "x": 100, "y": 100, "width": 300, "height": 300,
             "fill": "linear-gradient(90deg, #ff0000 0%, #0000ff 100%)", "strokeWidth": 0},
        ]);
        json!({"id": format!("p{index}"), "children": children})
    };
    let design = json!({"width": 595, "height": 842, "pages": (0..PAGES).map(page).collect::<Vec<_>>()});
    std::fs::write(folder.path().join("design.json"), design.to_string()).expect("written");
    for (name, flags) in [("raster.pdf", [].as_slice()), ("vector.pdf", &["--vector"])] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenter"))
            .current_dir(folder.path())
            .args(["render", "design.json", "-o", name, "--deadline", "1 h"])
            .args(flags)
            .stderr(Stdio::inherit())
            .spawn()
            .expect("runs");
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let ended = loop {
            // `VmHWM` is the kernel's high-water mark, so only a peak after the last read is missed.
            peak = peak_kib(&status).unwrap_or(peak);
            match child.try_wait().expect("a child") {
                Some(ended) => break ended,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        assert!(ended.success(), "{name}");
        assert!(peak > 0 && peak / 1024 < MAX_PEAK_MIB, "{name}: {} MiB", peak / 1024);
        let file = folder.path().join(name);
        let count = crate::tools::text("qpdf", "qpdf", &["--show-npages"], &file);
        assert!(count.is_none_or(|it| it.trim() == PAGES.to_string()), "{name}");
    }
}

fn peak_kib(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
