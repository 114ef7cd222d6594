//! Random pages with six cells, each empty or with one element of any type that stays inside its cell.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// Number of columns and rows of cells.
const GRID: (usize, usize) = (3, 2);
/// Side of a cell in px.
const CELL: f64 = 100.0;
/// Distance in px between an element and the sides of its cell, which leaves room for its shadow and its rotated
/// corners.
const MARGIN: f64 = 24.0;
/// Longest side of an element in px.
const LONGEST: u32 = 52;

/// Elements of the cells, row by row; `x` and `y` are relative to the cell.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    cells: Vec<Option<Value>>,
}

impl Page {
    /// The elements in page coordinates, moved by `shift` px.
    pub(crate) fn elements(&self, shift: (f64, f64)) -> Vec<Value> {
        let placed = |(at, element): (usize, &Option<Value>)| {
            let mut element = element.clone()?;
            let cell = ((at % GRID.0) as f64 * CELL, (at / GRID.0) as f64 * CELL);
            for (key, origin) in [("x", cell.0 + MARGIN + shift.0), ("y", cell.1 + MARGIN + shift.1)] {
                element[key] = json!(element[key].as_f64().expect("a number") + origin);
            }
            Some(element)
        };
        self.cells.iter().enumerate().filter_map(placed).collect()
    }
}

/// A design with `elements` on a page large enough to move them by 20 px.
pub(crate) fn design(elements: Vec<Value>) -> Value {
    json!({
        "schemaVersion": 4, "width": GRID.0 as f64 * CELL + 20.0, "height": GRID.1 as f64 * CELL + 20.0,
        "fonts": [{"fontFamily": "DejaVu Sans", "url": "file:DejaVuSans-subset.ttf"}],
        "pages": [{"background": "white", "children": elements}],
    })
}

/// Strategy for pages of any elements.
pub(crate) fn page() -> impl Strategy<Value = Page> {
    let cell = prop_oneof![1 => Just(None), 3 => element().prop_map(Some)];
    prop::collection::vec(cell, GRID.0 * GRID.1).prop_map(|cells| Page { cells })
}

/// Strategy for unrotated images at whole px, larger than their files: the editor downscales a mirrored picture in
/// different steps.
pub(crate) fn upright_image() -> impl Strategy<Value = Value> {
    (10..LONGEST, 10..LONGEST, 0..8_u32, 0..8_u32).prop_map(|(width, height, x, y)| {
        json!({"type": "image", "src": "file:pixels.png", "x": x, "y": y, "width": width, "height": height})
    })
}

/// Whether all PDF readers scale the element's picture alike; false for very small pictures and for pixel patterns.
pub(crate) fn is_scaled_alike(element: &Value) -> bool {
    element["src"] != "file:pixels.png" && element["src"] != "file:rings.png"
}

fn element() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![
        2 => figure(),
        1 => line(),
        2 => image(),
        1 => svg(),
        3 => text(),
        1 => table(),
    ];
    (kind, placement(), look()).prop_map(|(kind, placement, look)| with(with(placement, &kind), &look))
}

/// Strategy for box and rotation, with coordinates at multiples of 1/4 px.
fn placement() -> impl Strategy<Value = Value> {
    let side = 40..LONGEST * 4;
    let rotation = select(&[0.0, 0.0, 0.0, 3.0, -5.0, 8.0][..]);
    (0..16_u32, 0..16_u32, side.clone(), side, rotation).prop_map(|(x, y, width, height, rotation)| {
        let px = |quarters: u32| f64::from(quarters) / 4.0;
        json!({"x": px(x), "y": px(y), "width": px(width), "height": px(height), "rotation": rotation})
    })
}

/// Strategy for opacity and a shadow that stays inside the margin.
fn look() -> impl Strategy<Value = Value> {
    let shadow = (any::<bool>(), 0..6_u32, -4..5_i32, color());
    (select(&[1.0, 1.0, 0.5][..]), shadow).prop_map(|(opacity, (is_on, blur, offset, color))| {
        json!({"opacity": opacity, "shadowEnabled": is_on, "shadowBlur": blur, "shadowOffsetX": offset,
            "shadowOffsetY": -offset, "shadowColor": color})
    })
}

fn figure() -> impl Strategy<Value = Value> {
    let kind = select(&["rect", "circle", "star", "bookmark", "home", "arrow", "heart", "speechBubble"][..]);
    (kind, fill(), color(), 0..6_u32, any::<bool>()).prop_map(|(kind, fill, stroke, width, dashed)| {
        let dash = if dashed { json!([2, 1]) } else { json!([]) };
        json!({"type": "figure", "subType": kind, "fill": fill, "stroke": stroke, "strokeWidth": width, "dash": dash})
    })
}

fn line() -> impl Strategy<Value = Value> {
    let head = || select(&["", "arrow", "triangle", "circle", "square", "bar"][..]);
    (head(), head(), color(), 1..4_u32).prop_map(|(start, end, color, height)| {
        json!({"type": "line", "startHead": start, "endHead": end, "color": color, "height": height})
    })
}

fn image() -> impl Strategy<Value = Value> {
    (picture(), 0..12_u32, 0..3_u32).prop_map(|(picture, radius, border)| {
        let border = json!({"cornerRadius": radius, "borderSize": border, "borderColor": "navy"});
        with(with(picture, &json!({"type": "image"})), &border)
    })
}

fn picture() -> impl Strategy<Value = Value> {
    let source = select(&["file:quadrants.png", "file:rings.png", "file:pixels.png", "file:green_rows.png"][..]);
    (source, any::<bool>(), any::<bool>())
        .prop_map(|(source, flip_x, flip_y)| json!({"src": source, "flipX": flip_x, "flipY": flip_y}))
}

fn svg() -> impl Strategy<Value = Value> {
    let source = select(&["file:badge.svg", "file:gradients.svg"][..]);
    (source, any::<bool>()).prop_map(|(source, flip)| json!({"type": "svg", "src": source, "flipX": flip}))
}

fn text() -> impl Strategy<Value = Value> {
    let words =
        select(&["a", "Words", "two words", "Rich <b>bold</b> <i>text</i>", "<p>one</p><p>two</p>", "Ünïcødé", ""][..]);
    let family = select(&["DejaVu Sans", "Roboto"][..]);
    let style = (select(&["left", "center", "right", "justify"][..]), 6..24_u32, fill(), any::<bool>(), 0..3_u32);
    (words, family, style).prop_map(|(words, family, (align, size, fill, background, stroke))| {
        json!({"type": "text", "text": words, "fontFamily": family, "align": align, "fontSize": size, "fill": fill,
            "backgroundEnabled": background, "backgroundPadding": 0.2, "strokeWidth": stroke, "stroke": "teal"})
    })
}

fn table() -> impl Strategy<Value = Value> {
    (1..3_usize, 1..3_usize, 0..3_u32, color()).prop_map(|(rows, cols, border, background)| {
        let cells = vec![json!({"text": "ab", "cellBackground": background}); rows * cols];
        json!({"type": "table", "rows": rows, "cols": cols, "cells": cells, "borderWidth": border, "fontSize": 8})
    })
}

fn fill() -> impl Strategy<Value = String> {
    let gradient = (color(), color(), 0..360_u32)
        .prop_map(|(from, to, angle)| format!("linear-gradient({angle}deg, {from} 20%, {to} 90%)"));
    prop_oneof![3 => color(), 1 => gradient]
}

fn color() -> impl Strategy<Value = String> {
    select(&["black", "crimson", "#0080ff", "rgba(30, 160, 60, 0.6)", "gold"][..]).prop_map(str::to_owned)
}

fn with(mut base: Value, more: &Value) -> Value {
    let members = more.as_object().expect("an object").clone();
    base.as_object_mut().expect("an object").extend(members);
    base
}
