//! The names that templates use: conditions that are strict about them, and which of them fit a subject line.

use std::collections::BTreeSet;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError, RenderErrorReason,
    Renderable,
};
use serde_json::Value;

/// Makes `{{#if name}}` and `{{#unless name}}` fail where the facts have no such name; the engine's own take a
/// misspelled name for false, even when strict.
pub(super) fn strict_conditions(registry: &mut Handlebars<'static>) {
    registry.register_helper("if", Box::new(Condition::If));
    registry.register_helper("unless", Box::new(Condition::Unless));
}

#[derive(Clone, Copy)]
enum Condition {
    If,
    Unless,
}

impl HelperDef for Condition {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let param =
            helper.param(0).ok_or_else(|| RenderError::from(RenderErrorReason::ParamNotFoundForIndex("if", 0)))?;
        if param.is_value_missing() {
            let path = param.relative_path().cloned();
            return Err(RenderErrorReason::MissingVariable(path).into());
        }
        let holds = truth(param.value()) == matches!(self, Condition::If);
        let branch = if holds { helper.template() } else { helper.inverse() };
        match branch {
            Some(branch) => branch.render(registry, context, render, out),
            None => Ok(()),
        }
    }
}

/// False are null, false, zero and whatever is empty.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Words of the template language.
const LANGUAGE: [&str; 16] =
    ["if", "unless", "else", "each", "with", "lookup", "this", "eq", "ne", "and", "or", "not", "gt", "lt", "len", "as"];

/// Every name a template uses, in any of its tags; texts in quotes and names of shared pieces are left out.
pub fn named(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = source;
    while let Some((_, tag)) = rest.split_once("{{") {
        let Some((tag, after)) = tag.split_once("}}") else { break };
        rest = after;
        if tag.starts_with('!') {
            continue;
        }
        let piece = tag.trim_start_matches(['~', '{']).starts_with('>');
        let unquoted: String = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let words = unquoted.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '-' | '/')));
        let words = words.map(|word| word.trim_start_matches("../").trim_start_matches("this.").trim_matches('/'));
        let words = words.filter(|word| !word.is_empty() && *word != "." && !LANGUAGE.contains(word));
        let skip = usize::from(piece && !unquoted.contains('('));
        names.extend(words.skip(skip).map(str::to_string));
    }
    names
}

/// Whether a name may stand in a subject line: the study, our own subject number, and the like; no arm, no code, no
/// answer, nothing that somebody typed (promise 10).
pub(super) fn fit_for_subject(name: &str) -> bool {
    matches!(name, "subject" | "id" | "site.code" | "service" | "at" | "letter" | "act") || name.starts_with("study.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_a_template_are_found() {
        let source = "{{!-- arm --}}[{{study.tag}}] {{#if (eq act \"enroll\")}}{{> fault a=b}}{{/if}}{{#each xs as |x|}}\
                      {{../y}} {{> (lookup this \"partial\")}}{{this.z}}{{/each}}";
        let names: Vec<String> = named(source).into_iter().collect();
        assert_eq!(names, ["a", "act", "b", "study.tag", "x", "xs", "y", "z"]);
    }

    #[test]
    fn a_condition_on_a_misspelled_name_fails() {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        strict_conditions(&mut registry);
        let facts = serde_json::json!({ "yes": true, "none": null, "list": [] });
        let render = |source: &str| registry.render_template(source, &facts);
        assert_eq!(render("{{#if yes}}a{{else}}b{{/if}}").expect("known"), "a");
        assert_eq!(render("{{#if none}}a{{else}}b{{/if}}").expect("known"), "b");
        assert_eq!(render("{{#unless list}}a{{/unless}}").expect("known"), "a");
        assert!(render("{{#if yse}}a{{/if}}").is_err());
        assert!(render("{{#unless yse}}a{{/unless}}").is_err());
    }
}
