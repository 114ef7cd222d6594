//! Parsing of style sheets: the rules that apply to an image on a screen, and the font faces.

use std::rc::Rc;

use ::selectors::SelectorList;
use ::selectors::parser::ParseRelative;
use cssparser::{
    AtRuleParser, CowRcStr, DeclarationParser, ParseError, Parser, ParserState, QualifiedRuleParser,
    RuleBodyItemParser, RuleBodyParser, StyleSheetParser, Token,
};
use kurbo::Size;

use super::media;
use super::properties::{self, PropertyName};
use super::selectors::{Css, Invalid, SelectorReader};
use crate::assets::svg::font_face::FontFaceRule;

/// Maximum number of declarations of one document's style sheets.
const MAX_DECLARATIONS: usize = 500_000;

/// Maximum number of components of a selector, because the engine recurses. Longer selectors never match.
const MAX_SELECTOR_PARTS: usize = 256;

type Failure = ParseError<Invalid>;

/// All style sheets of a document, in order.
#[derive(Default)]
pub(super) struct Sheets {
    pub(super) rules: Vec<Rule>,
    pub(super) faces: Vec<FontFaceRule>,
    /// Number of declarations, counted once per rule.
    pub(super) declarations: usize,
    layers: Vec<String>,
}

pub(super) struct Rule {
    pub(super) selectors: SelectorList<Css>,
    pub(super) declarations: Vec<Declaration>,
    /// Index of the cascade layer; rules outside layers come last.
    pub(super) layer: usize,
}

/// A property and its value, as normalised by `properties`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) name: PropertyName,
    pub(super) value: Rc<str>,
    pub(super) important: bool,
}

impl Sheets {
    /// Adds the rules of `text` that apply in a viewport of this size, in px and in `units` of the document. Returns
    /// false when a limit is exceeded.
    pub(super) fn add(&mut self, text: &str, viewport: Size, units: Size) -> bool {
        let mut reader = SheetReader {
            sheets: self,
            viewport,
            units,
            prefixes: Vec::new(),
            layer: None,
            around: Vec::new(),
            declarations: Vec::new(),
        };
        let mut input = Parser::new(text);
        reader.rules(&mut input);
        self.declarations <= MAX_DECLARATIONS
    }

    pub(super) const fn max_declarations() -> usize {
        MAX_DECLARATIONS
    }

    fn layer(&mut self, name: &str) -> usize {
        // A layer's position is that of its first mention or that of a layer inside it.
        if let Some(known) = self.layers.iter().position(|it| it == name) {
            return known;
        }
        self.layers.push(name.to_owned());
        self.layers.len() - 1
    }
}

/// The declarations of a `style` attribute. `units`: size of the viewport in units of the document.
pub(super) fn inline(text: &str, units: Size) -> Vec<Declaration> {
    let mut reader = InlineReader { found: Vec::new(), units };
    // Each invalid declaration is dropped.
    RuleBodyParser::new(&mut Parser::new(text), &mut reader).for_each(drop);
    reader.found
}

struct SheetReader<'s> {
    sheets: &'s mut Sheets,
    /// Size of the viewport in px, for media queries.
    viewport: Size,
    /// Size of the viewport in units of the document, for percentages.
    units: Size,
    prefixes: Vec<(Option<String>, String)>,
    /// Name of the layer around the rules being read.
    layer: Option<String>,
    /// Selectors of the style rules around what is being read, `&` replaced.
    around: Vec<SelectorList<Css>>,
    /// Declarations of the innermost style rule since its last nested rule.
    declarations: Vec<Declaration>,
}

impl SheetReader<'_> {
    fn rules(&mut self, input: &mut Parser<'_>) {
        let mut parser = StyleSheetParser::new(input, self);
        // Each invalid rule is dropped.
        while parser.next().is_some() {
            if parser.parser.sheets.declarations > MAX_DECLARATIONS {
                break;
            }
        }
    }

    /// Parses the content of a block: rules, and inside style rules also declarations of the innermost one.
    fn content(&mut self, input: &mut Parser<'_>) {
        if self.around.is_empty() {
            return self.rules(input);
        }
        self.end_declarations();
        let mut parser = RuleBodyParser::new(input, self);
        while parser.next().is_some() {
            if parser.parser.sheets.declarations > MAX_DECLARATIONS {
                break;
            }
        }
        self.end_declarations();
    }

    /// Makes a rule of the declarations since the last one. Declarations after a nested rule follow it in the cascade
    /// (CSS Nesting 1 §3.2).
    fn end_declarations(&mut self) {
        let declarations = std::mem::take(&mut self.declarations);
        let Some(selectors) = self.around.last().filter(|_| !declarations.is_empty()).cloned() else { return };
        let layer = match self.layer.clone() {
            Some(name) => self.sheets.layer(&name),
            None => usize::MAX,
        };
        self.sheets.declarations += declarations.len() + selectors.len();
        self.sheets.rules.push(Rule { selectors, declarations, layer });
    }

    fn inner_layer(&self, name: &str) -> String {
        self.layer.as_ref().map_or_else(|| name.to_owned(), |outer| format!("{outer}.{name}"))
    }
}

/// The start of an at-rule.
enum AtRulePrelude {
    /// A conditional group, and whether its condition holds.
    Condition(bool),
    Layer(Vec<String>),
    FontFace,
    Namespace(Option<String>, String),
}

impl<'i> AtRuleParser<'i> for SheetReader<'_> {
    type Prelude = AtRulePrelude;
    type AtRule = ();
    type Error = Invalid;

    fn parse_prelude(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>) -> Result<AtRulePrelude, Failure> {
        match name.to_ascii_lowercase().as_str() {
            "media" => Ok(AtRulePrelude::Condition(media::applies(input, self.viewport))),
            "supports" => Ok(AtRulePrelude::Condition(media::is_supported(input))),
            "layer" => {
                let mut names = Vec::new();
                while !input.is_exhausted() {
                    let mut name = input.expect_ident()?.to_string();
                    while input.try_parse(|it| it.expect_delim('.')).is_ok() {
                        name = format!("{name}.{}", input.expect_ident()?.as_ref());
                    }
                    names.push(self.inner_layer(&name));
                    if !input.is_exhausted() {
                        input.expect_comma()?;
                    }
                }
                Ok(AtRulePrelude::Layer(names))
            }
            "font-face" if self.around.is_empty() => Ok(AtRulePrelude::FontFace),
            "namespace" if self.around.is_empty() => {
                let prefix = input.try_parse(Parser::expect_ident_cloned).ok().map(|it| it.to_string());
                Ok(AtRulePrelude::Namespace(prefix, input.expect_url_or_string()?.to_string()))
            }
            _ => Err(ParseError::custom(Invalid)),
        }
    }

    fn rule_without_block(&mut self, prelude: AtRulePrelude, _: &ParserState) -> Result<(), ()> {
        match prelude {
            AtRulePrelude::Layer(names) => names.iter().for_each(|name| {
                self.sheets.layer(name);
            }),
            AtRulePrelude::Namespace(prefix, url) => self.prefixes.push((prefix, url)),
            AtRulePrelude::Condition(_) | AtRulePrelude::FontFace => return Err(()),
        }
        Ok(())
    }

    fn parse_block(&mut self, prelude: AtRulePrelude, _: &ParserState, input: &mut Parser<'i>) -> Result<(), Failure> {
        match prelude {
            AtRulePrelude::Condition(true) => self.content(input),
            AtRulePrelude::Layer(mut names) if names.len() < 2 => {
                // An unnamed layer is always a new layer.
                let unnamed = || self.inner_layer(&format!("#{}", self.sheets.layers.len()));
                let name = names.pop().unwrap_or_else(unnamed);
                self.sheets.layer(&name);
                // Declarations before it belong to the outer layer.
                self.end_declarations();
                let outer = self.layer.replace(name);
                self.content(input);
                self.layer = outer;
            }
            AtRulePrelude::FontFace => {
                let mut reader = FaceReader { face: FontFaceRule::default() };
                RuleBodyParser::new(input, &mut reader).for_each(drop);
                self.sheets.faces.push(reader.face);
                self.sheets.declarations += 1;
            }
            AtRulePrelude::Condition(false) | AtRulePrelude::Layer(_) | AtRulePrelude::Namespace(..) => {
                return Err(ParseError::custom(Invalid));
            }
        }
        Ok(())
    }
}

impl<'i> QualifiedRuleParser<'i> for SheetReader<'_> {
    type Prelude = SelectorList<Css>;
    type QualifiedRule = ();
    type Error = Invalid;

    fn parse_prelude(&mut self, input: &mut Parser<'i>) -> Result<SelectorList<Css>, Failure> {
        let relative = if self.around.is_empty() { ParseRelative::No } else { ParseRelative::ForNesting };
        let mut list = SelectorList::parse(&SelectorReader { prefixes: &self.prefixes }, input, relative)?;
        if let Some(around) = self.around.last() {
            list = list.replace_parent_selector(around);
        }
        let short = list.slice().iter().all(|it| it.len() <= MAX_SELECTOR_PARTS);
        if short { Ok(list) } else { Err(ParseError::custom(Invalid)) }
    }

    fn parse_block(
        &mut self,
        selectors: SelectorList<Css>,
        _: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<(), Failure> {
        self.end_declarations();
        // A rule counts even without declarations, because it has to be parsed.
        self.sheets.declarations += 1;
        self.around.push(selectors);
        self.content(input);
        self.around.pop();
        Ok(())
    }
}

impl<'i> DeclarationParser<'i> for SheetReader<'_> {
    type Declaration = ();
    type Error = Invalid;

    fn parse_value(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>, _: &ParserState) -> Result<(), Failure> {
        let Written { text, important, has_block } = value(input)?;
        // A nested rule whose selector begins like a declaration: `a:hover { … }` (CSS Syntax 3 §5.5.6).
        if has_block && !name.starts_with("--") {
            return Err(ParseError::custom(Invalid));
        }
        properties::declared(&name, &text, self.units, &mut |name, value| {
            self.declarations.push(Declaration { name, value, important });
        });
        Ok(())
    }
}

impl<'i> RuleBodyItemParser<'i, (), Invalid> for SheetReader<'_> {
    fn parse_declarations(&self) -> bool {
        true
    }

    fn parse_qualified(&self) -> bool {
        true
    }
}

/// The value of a declaration as written.
struct Written {
    /// The text without `!important` and comments.
    text: String,
    important: bool,
    /// The value contains braces.
    has_block: bool,
}

fn value(input: &mut Parser<'_>) -> Result<Written, Failure> {
    let (mut text, mut important, mut has_block) = (String::new(), false, false);
    loop {
        let start = input.position();
        let token = match input.next_including_whitespace_and_comments() {
            Ok(token) => token.clone(),
            Err(_) => break,
        };
        match token {
            Token::BadUrl(_) | Token::BadString(_) => return Err(ParseError::custom(Invalid)),
            Token::CloseParenthesis | Token::CloseSquareBracket | Token::CloseCurlyBracket => {
                return Err(ParseError::custom(Invalid));
            }
            Token::Comment(_) => text.push(' '),
            Token::Delim('!') => {
                input.expect_ident_matching("important")?;
                input.expect_exhausted()?;
                important = true;
            }
            Token::Function(_) | Token::ParenthesisBlock | Token::SquareBracketBlock | Token::CurlyBracketBlock => {
                has_block |= matches!(token, Token::CurlyBracketBlock);
                // The block is copied verbatim, with comments.
                input.parse_nested_block(|inside| {
                    while inside.next_including_whitespace_and_comments().is_ok() {}
                    Ok::<_, Failure>(())
                })?;
                text.push_str(input.slice_from(start));
            }
            _ => text.push_str(input.slice_from(start)),
        }
    }
    let trimmed = text.trim();
    let text = if trimmed.len() == text.len() { text } else { trimmed.to_owned() };
    Ok(Written { text, important, has_block })
}

struct InlineReader {
    found: Vec<Declaration>,
    units: Size,
}

impl<'i> DeclarationParser<'i> for InlineReader {
    type Declaration = ();
    type Error = Invalid;

    fn parse_value(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>, _: &ParserState) -> Result<(), Failure> {
        let Written { text, important, .. } = value(input)?;
        properties::declared(&name, &text, self.units, &mut |name, value| {
            self.found.push(Declaration { name, value, important });
        });
        Ok(())
    }
}

struct FaceReader {
    face: FontFaceRule,
}

impl<'i> DeclarationParser<'i> for FaceReader {
    type Declaration = ();
    type Error = Invalid;

    fn parse_value(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>, _: &ParserState) -> Result<(), Failure> {
        let value = value(input)?.text;
        let field = match name.to_ascii_lowercase().as_str() {
            "font-family" => &mut self.face.family,
            "src" => &mut self.face.src,
            "font-weight" => &mut self.face.weight,
            "font-style" => &mut self.face.style,
            _ => return Ok(()),
        };
        *field = value;
        Ok(())
    }
}

macro_rules! declarations_only {
    ($($reader:ty),*) => {$(
        impl<'i> AtRuleParser<'i> for $reader {
            type Prelude = ();
            type AtRule = ();
            type Error = Invalid;
        }
        impl<'i> QualifiedRuleParser<'i> for $reader {
            type Prelude = ();
            type QualifiedRule = ();
            type Error = Invalid;
        }
        impl<'i> RuleBodyItemParser<'i, (), Invalid> for $reader {
            fn parse_declarations(&self) -> bool {
                true
            }
            fn parse_qualified(&self) -> bool {
                false
            }
        }
    )*};
}

declarations_only!(InlineReader, FaceReader);
