//! Reads and checks a request: the design, its pages against the limits, the assets, fonts and profile that it needs.

use std::sync::Arc;

use serde_json::Value;

use super::choice::OPTIONS;
use super::document;
use super::ingredients;
use super::loaded_request::{LoadedRequest, PreparedRequest};
use super::request::RenderRequest;
use super::resources::{LoadedAssets, Resources};
use crate::design::resolve::{self, FontError};
use crate::design::version::Rules;
use crate::design::{Design, UnknownElements, inks, variables};
use crate::error::Error;
use crate::inks::Inks;
use crate::json::Problems;
use crate::options::{CmykProfile, ColorSpace, RenderOptions};
use crate::output::{Format, FormatKind};
use crate::print::PrintTarget;
use crate::report::{JsonPath, Problem, Warning, WarningCode};
use crate::text::Layouter;
use crate::units::DeviceSize;

/// A layouter with the fonts of a request, and warnings about substituted fonts.
pub(super) type Fonts = Result<(Layouter, Vec<Warning>), Error>;

/// Reads the design, selects its pages, checks them against the limits and lists the assets they need.
pub(super) fn prepare(resources: &Resources, request: RenderRequest) -> Result<PreparedRequest, Error> {
    let RenderRequest { design: mut value, at, options, format, pages } = request;
    let limits = &resources.design_limits;
    let rules = Rules::of(resources.defaults.sdk(&options));
    let given = options.variables.as_ref();
    let filled = variables::fill_in(&mut value, &at, given, rules.replaced_pictures, limits)?;
    let print = print_target(resources, format, &options)?;
    let (found, mut early_warnings) = replace_inks(resources, &mut value, &at, print.as_ref(), options.color);
    let mut design = Design::from_value_with(&value, at.clone(), limits, UnknownElements::of(&options))?;
    early_warnings.extend(filled);
    design.warnings.extend(early_warnings);
    let pages = pages.choose(design.pages.iter().map(|page| &*page.id))?;
    let is_document = matches!(format.kind(), FormatKind::Document);
    for page in pages.iter().map(|index| &design.pages[*index]) {
        let bleed = if options.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
        let refused = |message: String| Error::invalid(Problem { path: page.at.clone(), message });
        if !(is_document && options.vector) {
            let sheet = (page.size.to_rect() + bleed).size();
            let checked = resources.rasterizer.limits().check(DeviceSize::of_page(sheet, options.pixel_ratio));
            checked.map_err(|error| refused(error.to_string()))?;
        }
        if is_document {
            let sheet = document::sheet(page.size, bleed, &options, &design)?;
            sheet.map_err(|error| refused(error.to_string()))?;
        }
    }
    let requests = resolve::asset_requests(&design, &pages, &options);
    let families = resolve::missing_families(&design, &pages, &resources.library);
    let digest = ingredients::with_inks(ingredients::of_design(&value, &requests), &found);
    let inks = Arc::new(found);
    Ok(PreparedRequest { design, at, options, format, print, inks, digest, pages, requests, families })
}

/// Replaces the colours of the design that are given as inks by screen colours, with the profile of the file, or else
/// the one that the service has for `asked`.
fn replace_inks(
    resources: &Resources,
    design: &mut Value,
    at: &JsonPath,
    print: Option<&PrintTarget>,
    asked: ColorSpace,
) -> (Inks, Vec<Warning>) {
    if !inks::has_any(design) {
        return (Inks::default(), Vec::new());
    }
    let wanted = match asked {
        ColorSpace::Cmyk(profile) => profile,
        ColorSpace::Rgb => CmykProfile::default(),
    };
    let profile = print.map(|it| it.profile.clone()).or_else(|| resources.profiles.output_profile(wanted).ok());
    match profile {
        Some(profile) => inks::replace(design, at, Some(&|inks| profile.screen_color(inks))),
        None => inks::replace(design, at, None),
    }
}

/// Fails when a placeholder is unfilled.
pub(super) fn check_filled(warnings: &[Warning]) -> Result<(), Error> {
    let mut problems = Problems::new();
    for warning in warnings.iter().filter(|it| it.code == WarningCode::PlaceholderUnknown) {
        let message = format!("{}; every row of a batch must fill all placeholders", warning.message);
        problems.push(warning.path.clone(), message);
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems.into_vec())) }
}

/// The requested CMYK profile; `None` for sRGB.
///
/// # Errors
/// CMYK for a format that cannot hold it, or a profile that is not available.
fn print_target(
    resources: &Resources,
    format: &dyn Format,
    options: &RenderOptions,
) -> Result<Option<PrintTarget>, Error> {
    let holds_cmyk = match format.kind() {
        FormatKind::Pictures(format) => format.holds_cmyk(),
        FormatKind::Document => true,
    };
    let ColorSpace::Cmyk(profile) = options.color else { return Ok(None) };
    if !holds_cmyk {
        if options.pdf_standard.is_some() {
            return Ok(None); // the print standard of documents is what asks for CMYK
        }
        let message =
            format!("found \"CMYK\", which {} cannot hold; accepted: RGB, or the format jpeg or pdf", format.name());
        return Err(Error::invalid(Problem { path: JsonPath::from(OPTIONS).key("color").key("space"), message }));
    }
    let profile = resources.profiles.output_profile(profile).map_err(|error| {
        let path = JsonPath::from(OPTIONS).key("color").key("profile");
        Error::Asset(vec![Problem { path, message: error.to_string() }])
    })?;
    Ok(Some(PrintTarget { profile, black_text: options.black_text }))
}

/// Builds the font set of one request.
///
/// # Errors
/// Every family that is not available.
pub(super) fn fonts(resources: &Resources, request: &LoadedRequest) -> Fonts {
    let PreparedRequest { design, options, pages, .. } = &request.prepared;
    let LoadedAssets { assets, web_faces, web_failures } = &request.loaded;
    let font_set = resolve::font_set(design, pages, assets, &resources.library, web_faces, options);
    let (fonts, warnings) = font_set.map_err(|errors| {
        let mut problems = Problems::new();
        for error in errors {
            let error = match web_failures.get(&error.family) {
                Some(reason) => FontError { reason: reason.clone(), ..error },
                None => error,
            };
            problems.push(error.at.clone(), error.to_string());
        }
        Error::Asset(problems.into_vec())
    })?;
    Ok((resources.layouters.take(fonts), warnings))
}
