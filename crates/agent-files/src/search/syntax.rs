//! Reading a pattern's text: its syntax, its case, and the line breaks it must not have. How it is
//! compiled is the pattern's matter.

use agent_api::SearchCase;
use regex_syntax::{
    ast::{self, Ast, ClassSetItem, Literal, Visitor, parse::ParserBuilder},
    hir::{Hir, translate::TranslatorBuilder},
};

use super::pattern::PatternError;

/// Parses a pattern.
///
/// # Errors
///
/// [`PatternError::Syntax`] and [`PatternError::LineBreak`].
pub(super) fn parse(text: &str, case: SearchCase) -> Result<Hir, PatternError> {
    let ast = ParserBuilder::new()
        .build()
        .parse(text)
        .map_err(|error| PatternError::Syntax(at(error.kind(), error.span().start.offset)))?;
    let letters = letters_of(&ast);
    if letters.line_break {
        return Err(PatternError::LineBreak);
    }
    let insensitive = match case {
        SearchCase::Sensitive => false,
        SearchCase::Insensitive => true,
        _ => !letters.upper_case,
    };
    let mut translator = TranslatorBuilder::new().utf8(false).case_insensitive(insensitive).build();
    translator
        .translate(text, &ast)
        .map_err(|error| PatternError::Syntax(at(error.kind(), error.span().start.offset)))
}

fn at(kind: &dyn std::fmt::Display, offset: usize) -> String {
    format!("{kind} (at byte {offset})")
}

/// What the characters that stand for themselves tell.
#[derive(Default)]
struct Letters {
    upper_case: bool,
    line_break: bool,
    /// How many of the brackets around the current item are negated.
    negations: usize,
}

fn letters_of(ast: &Ast) -> Letters {
    match ast::visit(ast, Letters::default()) {
        Ok(letters) => letters,
        Err(never) => match never {},
    }
}

impl Letters {
    fn note(&mut self, literal: &Literal) {
        self.upper_case |= literal.c.is_uppercase();
        // `[^\n]` names the line break only to avoid it.
        self.line_break |= literal.c == '\n' && self.negations.is_multiple_of(2);
    }

    fn count(&mut self, item: &ClassSetItem, change: fn(usize) -> usize) {
        if let ClassSetItem::Bracketed(class) = item
            && class.negated
        {
            self.negations = change(self.negations);
        }
    }
}

impl Visitor for Letters {
    type Output = Self;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self, Self::Err> {
        Ok(self)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        match ast {
            Ast::Literal(literal) => self.note(literal),
            Ast::ClassBracketed(class) if class.negated => self.negations += 1,
            _ => {}
        }
        Ok(())
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        if let Ast::ClassBracketed(class) = ast
            && class.negated
        {
            self.negations -= 1;
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        self.count(item, |negations| negations + 1);
        match item {
            ClassSetItem::Literal(literal) => self.note(literal),
            ClassSetItem::Range(range) => {
                self.note(&range.start);
                self.note(&range.end);
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_post(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        self.count(item, |negations| negations - 1);
        Ok(())
    }
}
