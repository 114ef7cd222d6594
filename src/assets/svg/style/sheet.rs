//! Style sheets read: rules that apply to a picture on a screen, and the font faces they bring.

use std::rc::Rc;

use ::selectors::SelectorList;
use ::selectors::parser::ParseRelative;
use cssparser::{
    AtRuleParser, CowRcStr, DeclarationParser, ParseError, Parser, ParserState, QualifiedRuleParser,
    RuleBodyItemParser, RuleBodyParser, StyleSheetParser, Token,
};
use kurbo::Size;

use super::media;
use super::properties::{self, Name};
use super::selectors::{Css, Invalid, SelectorReader};

/// Declarations of one document's sheets.
const MAX_DECLARATIONS: usize = 500_000;

/// Selectors with more parts match nothing; the engine recurses from part to part.
const MAX_SELECTOR_PARTS: usize = 256;

type Failure = ParseError<Invalid>;

/// All style sheets of a document, in order.
#[derive(Default)]
pub(super) struct Sheets {
    pub(super) rules: Vec<Rule>,
    pub(super) faces: Vec<FontFace>,
    /// The number of declarations, each rule's counted once.
    pub(super) declarations: usize,
    layers: Vec<String>,
}

pub(super) struct Rule {
    pub(super) selectors: SelectorList<Css>,
    pub(super) declarations: Vec<Declaration>,
    /// Index of the cascade layer; rules outside of layers come after all of them.
    pub(super) layer: usize,
}

/// A property and its value, as normalised by `properties`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) name: Name,
    pub(super) value: Rc<str>,
    pub(super) important: bool,
}

/// `@font-face`, as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::assets::svg) struct FontFace {
    pub(in crate::assets::svg) family: String,
    pub(in crate::assets::svg) src: String,
    pub(in crate::assets::svg) weight: String,
    pub(in crate::assets::svg) style: String,
}

impl Sheets {
    /// Adds what `text` says to a picture whose viewport has this size. False when there is too much of it.
    pub(super) fn add(&mut self, text: &str, viewport: Size) -> bool {
        let mut reader = SheetReader { sheets: self, viewport, prefixes: Vec::new(), layer: None };
        let mut input = Parser::new(text);
        reader.rules(&mut input);
        self.declarations <= MAX_DECLARATIONS
    }

    pub(super) const fn most_declarations() -> usize {
        MAX_DECLARATIONS
    }

    fn layer(&mut self, name: &str) -> usize {
        // A layer comes where it, or one inside it, is named first.
        if let Some(known) = self.layers.iter().position(|it| it == name) {
            return known;
        }
        self.layers.push(name.to_owned());
        self.layers.len() - 1
    }
}

/// The declarations of a `style` attribute.
pub(super) fn inline(text: &str) -> Vec<Declaration> {
    body(&mut Parser::new(text))
}

fn body(input: &mut Parser<'_>) -> Vec<Declaration> {
    let mut reader = BodyReader { found: Vec::new() };
    // Invalid declarations are left out one by one.
    RuleBodyParser::new(input, &mut reader).for_each(drop);
    reader.found
}

struct SheetReader<'s> {
    sheets: &'s mut Sheets,
    viewport: Size,
    prefixes: Vec<(Option<String>, String)>,
    /// Name of the layer around the rules being read.
    layer: Option<String>,
}

impl SheetReader<'_> {
    fn rules(&mut self, input: &mut Parser<'_>) {
        let mut parser = StyleSheetParser::new(input, self);
        // Invalid rules are left out one by one.
        while parser.next().is_some() {
            if parser.parser.sheets.declarations > MAX_DECLARATIONS {
                break;
            }
        }
    }

    fn inner_layer(&self, name: &str) -> String {
        self.layer.as_ref().map_or_else(|| name.to_owned(), |outer| format!("{outer}.{name}"))
    }
}

/// The start of an at-rule.
enum At {
    /// Its rules count, or do not.
    Condition(bool),
    Layer(Vec<String>),
    FontFace,
    Namespace(Option<String>, String),
}

impl<'i> AtRuleParser<'i> for SheetReader<'_> {
    type Prelude = At;
    type AtRule = ();
    type Error = Invalid;

    fn parse_prelude(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>) -> Result<At, Failure> {
        match name.to_ascii_lowercase().as_str() {
            "media" => Ok(At::Condition(media::applies(input, self.viewport))),
            "supports" => Ok(At::Condition(media::is_supported(input))),
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
                Ok(At::Layer(names))
            }
            "font-face" => Ok(At::FontFace),
            "namespace" => {
                let prefix = input.try_parse(Parser::expect_ident_cloned).ok().map(|it| it.to_string());
                Ok(At::Namespace(prefix, input.expect_url_or_string()?.to_string()))
            }
            _ => Err(ParseError::custom(Invalid)),
        }
    }

    fn rule_without_block(&mut self, prelude: At, _: &ParserState) -> Result<(), ()> {
        match prelude {
            At::Layer(names) => names.iter().for_each(|name| {
                self.sheets.layer(name);
            }),
            At::Namespace(prefix, url) => self.prefixes.push((prefix, url)),
            At::Condition(_) | At::FontFace => return Err(()),
        }
        Ok(())
    }

    fn parse_block(&mut self, prelude: At, _: &ParserState, input: &mut Parser<'i>) -> Result<(), Failure> {
        match prelude {
            At::Condition(true) => self.rules(input),
            At::Layer(mut names) if names.len() < 2 => {
                // One without a name is a layer of its own.
                let unnamed = || self.inner_layer(&format!("#{}", self.sheets.layers.len()));
                let name = names.pop().unwrap_or_else(unnamed);
                self.sheets.layer(&name);
                let outer = self.layer.replace(name);
                self.rules(input);
                self.layer = outer;
            }
            At::FontFace => {
                let mut reader = FaceReader { face: FontFace::default() };
                RuleBodyParser::new(input, &mut reader).for_each(drop);
                self.sheets.faces.push(reader.face);
                self.sheets.declarations += 1;
            }
            At::Condition(false) | At::Layer(_) | At::Namespace(..) => return Err(ParseError::custom(Invalid)),
        }
        Ok(())
    }
}

impl<'i> QualifiedRuleParser<'i> for SheetReader<'_> {
    type Prelude = SelectorList<Css>;
    type QualifiedRule = ();
    type Error = Invalid;

    fn parse_prelude(&mut self, input: &mut Parser<'i>) -> Result<SelectorList<Css>, Failure> {
        let list = SelectorList::parse(&SelectorReader { prefixes: &self.prefixes }, input, ParseRelative::No)?;
        let short = list.slice().iter().all(|it| it.len() <= MAX_SELECTOR_PARTS);
        if short { Ok(list) } else { Err(ParseError::custom(Invalid)) }
    }

    fn parse_block(
        &mut self,
        selectors: SelectorList<Css>,
        _: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<(), Failure> {
        let declarations = body(input);
        let layer = match self.layer.clone() {
            Some(name) => self.sheets.layer(&name),
            None => usize::MAX,
        };
        self.sheets.declarations += declarations.len() + selectors.len();
        if !declarations.is_empty() {
            self.sheets.rules.push(Rule { selectors, declarations, layer });
        }
        Ok(())
    }
}

/// A value up to its end, without `!important` and comments; and whether it was important.
fn value(input: &mut Parser<'_>) -> Result<(String, bool), Failure> {
    let (mut text, mut important) = (String::new(), false);
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
                // The block's own text, comments and all.
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
    if trimmed.len() == text.len() { Ok((text, important)) } else { Ok((trimmed.to_owned(), important)) }
}

struct BodyReader {
    found: Vec<Declaration>,
}

impl<'i> DeclarationParser<'i> for BodyReader {
    type Declaration = ();
    type Error = Invalid;

    fn parse_value(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>, _: &ParserState) -> Result<(), Failure> {
        let (value, important) = value(input)?;
        properties::declared(&name, &value, &mut |name, value| {
            self.found.push(Declaration { name, value, important });
        });
        Ok(())
    }
}

struct FaceReader {
    face: FontFace,
}

impl<'i> DeclarationParser<'i> for FaceReader {
    type Declaration = ();
    type Error = Invalid;

    fn parse_value(&mut self, name: CowRcStr<'i>, input: &mut Parser<'i>, _: &ParserState) -> Result<(), Failure> {
        let (value, _) = value(input)?;
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

declarations_only!(BodyReader, FaceReader);
