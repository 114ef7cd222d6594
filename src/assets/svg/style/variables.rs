//! Custom properties and `var()`.

use std::collections::HashMap;
use std::rc::Rc;

use cssparser::{BasicParseError, ParseError, Parser, Token};

use super::properties::PropertyName;
use super::sheet::Declaration;

/// Maximum length of a value after substitution, bytes.
const MAX_BYTES: usize = 64 << 10;

/// Maximum depth of nested variables and blocks.
const MAX_DEPTH: u32 = 32;

/// The custom properties of an element, inherited ones included, after substitution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CustomProperties(HashMap<Rc<str>, Rc<str>>);

impl CustomProperties {
    /// The custom properties of an element with these declarations, highest priority last; `None` when they equal its
    /// parent's.
    pub(super) fn inside(outer: &Self, declared: &[&Declaration]) -> Option<Self> {
        let mut own: HashMap<Rc<str>, Rc<str>> = HashMap::new();
        for declaration in declared {
            if let PropertyName::Custom(name) = &declaration.name {
                own.insert(name.clone(), declaration.value.clone());
            }
        }
        own.retain(|_, value| !["inherit", "unset", "revert"].iter().any(|it| value.eq_ignore_ascii_case(it)));
        if own.is_empty() {
            return None;
        }
        let mut substitution = Substitution { own: &own, outer, known: HashMap::new() };
        let names: Vec<_> = own.keys().cloned().collect();
        for name in &names {
            substitution.look_up(name, 0);
        }
        let filled = substitution.known;
        let mut all = outer.0.clone();
        for name in names {
            match filled.get(&name).cloned().flatten() {
                Some(value) => all.insert(name, value),
                None => all.remove(&name),
            };
        }
        Some(Self(all))
    }

    /// Bytes of names and values.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// `text` with each `var()` substituted; `None` when one has neither a value nor a fallback.
    pub(super) fn substitute(&self, text: &str) -> Option<String> {
        substitute_vars(text, &mut |name, _| self.0.get(name).cloned(), 0)
    }
}

/// The substitution of variables of one element.
struct Substitution<'f> {
    own: &'f HashMap<Rc<str>, Rc<str>>,
    outer: &'f CustomProperties,
    /// Values by name; `None` for one that is being substituted or is invalid.
    known: HashMap<Rc<str>, Option<Rc<str>>>,
}

impl Substitution<'_> {
    fn look_up(&mut self, name: &str, depth: u32) -> Option<Rc<str>> {
        let Some((name, value)) = self.own.get_key_value(name) else {
            return self.outer.0.get(name).cloned();
        };
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        self.known.insert(name.clone(), None);
        if value.eq_ignore_ascii_case("initial") {
            return None;
        }
        let filled = substitute_vars(value, &mut |name, depth| self.look_up(name, depth), depth).map(Rc::from);
        self.known.insert(name.clone(), filled.clone());
        filled
    }
}

type LookUp<'l> = dyn FnMut(&str, u32) -> Option<Rc<str>> + 'l;

fn substitute_vars(text: &str, look_up: &mut LookUp<'_>, depth: u32) -> Option<String> {
    let mut out = String::new();
    copy(&mut Parser::new(text), &mut out, look_up, depth).ok()?;
    Some(out)
}

fn copy(input: &mut Parser<'_>, out: &mut String, look_up: &mut LookUp<'_>, depth: u32) -> Result<(), ParseError<()>> {
    if depth > MAX_DEPTH {
        return Err(ParseError::custom(()));
    }
    loop {
        let start = input.position();
        let Ok(token) = input.next_including_whitespace_and_comments() else { return Ok(()) };
        let close = match token {
            Token::Function(name) if name.eq_ignore_ascii_case("var") => {
                input.parse_nested_block(|inside| variable(inside, out, look_up, depth + 1))?;
                continue;
            }
            Token::Function(_) | Token::ParenthesisBlock => ')',
            Token::SquareBracketBlock => ']',
            Token::CurlyBracketBlock => '}',
            _ => {
                out.push_str(input.slice_from(start));
                if out.len() > MAX_BYTES {
                    return Err(ParseError::custom(()));
                }
                continue;
            }
        };
        out.push_str(input.slice_from(start));
        input.parse_nested_block(|inside| copy(inside, out, look_up, depth + 1))?;
        out.push(close);
    }
}

/// Parses the arguments of `var()`: `--name, fallback`.
fn variable(
    input: &mut Parser<'_>,
    out: &mut String,
    look_up: &mut LookUp<'_>,
    depth: u32,
) -> Result<(), ParseError<()>> {
    let name = input.expect_ident_cloned()?;
    let has_alternative = !input.is_exhausted();
    if has_alternative {
        input.expect_comma()?;
    }
    if let Some(value) = look_up(&name, depth) {
        out.push_str(&value);
        while input.next_including_whitespace_and_comments().is_ok() {}
        return if out.len() > MAX_BYTES { Err(ParseError::custom(())) } else { Ok(()) };
    }
    if has_alternative { copy(input, out, look_up, depth) } else { Err(BasicParseError::unexpected_token().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> CustomProperties {
        let declarations: Vec<_> = pairs
            .iter()
            .map(|(name, value)| Declaration {
                name: PropertyName::Custom((*name).into()),
                value: (*value).into(),
                important: false,
            })
            .collect();
        CustomProperties::inside(&CustomProperties::default(), &declarations.iter().collect::<Vec<_>>())
            .unwrap_or_default()
    }

    #[test]
    fn variables_are_filled_in() {
        let variables = of(&[("--a", "1px"), ("--b", "var(--a) 2px"), ("--A", "9")]);
        assert_eq!(variables.substitute("x var(--b) (var( --a ))").as_deref(), Some("x 1px 2px (1px)"));
        assert_eq!(variables.substitute("var(--c, rgb(1, 2, var(--A)))").as_deref(), Some(" rgb(1, 2, 9)"));
        assert_eq!(variables.substitute("var(--c)"), None);
    }

    #[test]
    fn variables_of_cycles_and_bombs_have_no_value() {
        let cycle = of(&[("--a", "var(--b)"), ("--b", "var(--a)"), ("--c", "1")]);
        assert_eq!(cycle.substitute("var(--a)"), None);
        assert_eq!(cycle.substitute("var(--c)").as_deref(), Some("1"));
        let mut bomb = vec![(String::from("--a0"), String::from("lol"))];
        for at in 1..30 {
            bomb.push((format!("--a{at}"), format!("var(--a{}) ", at - 1).repeat(10)));
        }
        let pairs: Vec<_> = bomb.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let variables = of(&pairs);
        assert!(variables.bytes() < 300_000, "{}", variables.bytes());
        assert_eq!(variables.substitute("var(--a29)"), None);
    }
}
