//! The applications that the layers of a configuration name, and which usual ones they show.

use agent_api::{DevContainerApp, DisplayApps};
use serde_json::{Map, Value};

use super::warnings::{Warnings, quoted};

/// The values of `openIn` and `share`.
const OPEN_IN: [&str; 2] = ["slim-window", "tab"];
const SHARE: [&str; 4] = ["owner", "authenticated", "organization", "public"];
/// The most bytes of JSON that the applications of one dev container may have: a list of containers
/// carries them, and one message of it has 4 MiB for all.
const MAX_BYTES: usize = 256 * 1024;

type Layer = Map<String, Value>;

/// The applications of all layers: of one slug the last definition, where it stands.
///
/// `None` when no layer has `apps`.
pub(super) fn apps(layers: &[&Layer], warnings: &mut Warnings) -> Option<Vec<DevContainerApp>> {
    let lists: Vec<_> = layers.iter().filter_map(|layer| layer.get("apps")).collect();
    if lists.iter().all(|list| list.is_null()) {
        return None;
    }
    let mut last: Vec<(&str, &Value)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for value in lists.into_iter().filter(|list| !list.is_null()) {
        let Some(list) = value.as_array() else {
            warnings.push("apps are not a list");
            continue;
        };
        for app in list {
            match app.get("slug").and_then(Value::as_str) {
                Some(slug) if !slug.is_empty() => {
                    places.insert(slug, last.len());
                    last.push((slug, app));
                }
                _ => warnings.push("an app without slug is left out"),
            }
        }
    }
    let is_last = |(at, (slug, _)): &(usize, (&str, &Value))| places.get(slug) == Some(at);
    let counted = last.into_iter().enumerate().filter(is_last).map(|(_, app)| app);
    let mut room = MAX_BYTES;
    Some(counted.filter_map(|(slug, app)| keep(slug, app, &mut room, warnings)).collect())
}

fn keep(
    slug: &str,
    app: &Value,
    room: &mut usize,
    warnings: &mut Warnings,
) -> Option<DevContainerApp> {
    let checked = app_of(app).and_then(|app| {
        let length = serde_json::to_vec(&app).map_or(usize::MAX, |json| json.len());
        *room = room.checked_sub(length).ok_or("it and those before it are too long")?;
        Ok(app)
    });
    let explain = |why| warnings.push(format!("app {} is left out: {why}", quoted(slug)));
    checked.map_err(explain).ok()
}

fn app_of(app: &Value) -> Result<DevContainerApp, String> {
    let app: DevContainerApp = serde::Deserialize::deserialize(app)
        .map_err(|error: serde_json::Error| error.to_string())?;
    let check = |key, value: &Option<String>, known: &[&str]| match value {
        Some(value) if !known.contains(&value.as_str()) => {
            Err(format!("{key} is {}", quoted(value)))
        }
        _ => Ok(()),
    };
    check("openIn", &app.open_in, &OPEN_IN)?;
    check("share", &app.share, &SHARE)?;
    Ok(app)
}

/// Which usual applications are shown: the last layer that says something of one decides.
///
/// `None` when no layer has `displayApps`.
pub(super) fn display_apps(layers: &[&Layer], warnings: &mut Warnings) -> Option<DisplayApps> {
    let said: Vec<_> = layers.iter().filter_map(|layer| layer.get("displayApps")).collect();
    let mut shown = None;
    for value in said.into_iter().filter(|value| !value.is_null()) {
        let Some(said) = value.as_object() else {
            warnings.push("displayApps is no object");
            continue;
        };
        let shown = shown.get_or_insert_with(DisplayApps::default);
        for (key, value) in said {
            match (field(shown, key), value) {
                (Some(field), Value::Bool(value)) => *field = *value,
                (Some(_), Value::Null) => {}
                (Some(_), _) => {
                    warnings.push(format!("display app {key} is neither true nor false"))
                }
                (None, _) => warnings.push(format!("display app {} is not known", quoted(key))),
            }
        }
    }
    shown
}

fn field<'a>(shown: &'a mut DisplayApps, key: &str) -> Option<&'a mut bool> {
    match key {
        "vscode" => Some(&mut shown.vscode),
        "vscode_insiders" => Some(&mut shown.vscode_insiders),
        "web_terminal" => Some(&mut shown.web_terminal),
        "ssh_helper" => Some(&mut shown.ssh_helper),
        "port_forwarding_helper" => Some(&mut shown.port_forwarding_helper),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merge<T>(
        layers: &[Value],
        of: impl FnOnce(&[&Layer], &mut Warnings) -> T,
    ) -> (T, Vec<String>) {
        let layers: Vec<_> = layers.iter().map(|layer| layer.as_object().unwrap()).collect();
        let mut warnings = Warnings::default();
        let merged = of(&layers, &mut warnings);
        (merged, warnings.into_texts())
    }

    /// Checks applications as JSON, and how many warnings there were.
    fn check(layers: &[Value], expected: Value, warned: usize) {
        let (found, warnings) = merge(layers, apps);
        assert_eq!(json!(found), expected, "{layers:?}");
        assert_eq!(warnings.len(), warned, "{warnings:?}");
    }

    #[test]
    fn the_last_definition_of_a_slug_is_at_the_last_position() {
        let below =
            json!({"apps": [{"slug": "a", "order": 1}, {"slug": "b"}, {"slug": "a", "order": 2}]});
        check(std::slice::from_ref(&below), json!([{"slug": "b"}, {"slug": "a", "order": 2}]), 0);
        let above = json!({"apps": [{"slug": "c"}, {"slug": "b", "url": "u"}]});
        check(
            &[below, json!({}), above],
            json!([{"slug": "a", "order": 2}, {"slug": "c"}, {"slug": "b", "url": "u"}]),
            0,
        );
    }

    #[test]
    fn every_field_of_an_app_is_kept_and_others_are_not() {
        let app = json!({
            "slug": "s", "command": "c", "displayName": "d", "external": true, "group": "g",
            "healthCheck": {"interval": 5, "threshold": 6, "url": "h"}, "hidden": false, "icon": "i",
            "openIn": "slim-window", "order": -3, "share": "organization", "subdomain": true, "url": "u",
        });
        let mut more = app.clone();
        more["other"] = json!([1]);
        more["healthCheck"]["other"] = json!(1);
        check(&[json!({"apps": [more]})], json!([app]), 0);
        check(&[json!({"apps": [{"slug": "s", "url": null}]})], json!([{"slug": "s"}]), 0);
    }

    #[test]
    fn an_app_with_a_bad_value_is_left_out_with_a_warning() {
        let app =
            |key: &str, value: Value| json!({"apps": [{"slug": "s", key: value}, {"slug": "t"}]});
        for (key, value) in [
            ("openIn", json!("window")),
            ("share", json!("everybody")),
            ("share", json!("")),
            ("order", json!("x")),
            ("healthCheck", json!(1)),
            ("openIn", json!(1)),
        ] {
            check(&[app(key, value)], json!([{"slug": "t"}]), 1);
        }
        check(
            &[app("openIn", json!("tab")), app("openIn", json!("window"))],
            json!([{"slug": "t"}]),
            1,
        );
        for value in ["owner", "authenticated", "organization", "public"] {
            check(
                &[app("share", json!(value))],
                json!([{"slug": "s", "share": value}, {"slug": "t"}]),
                0,
            );
        }
        check(&[json!({"apps": [{"slug": ""}, {}, 1, {"slug": 2}]})], json!([]), 4);
        check(&[json!({"apps": 1}), json!({"apps": [{"slug": "a"}]})], json!([{"slug": "a"}]), 1);
    }

    #[test]
    fn without_apps_there_is_no_list() {
        check(&[], json!(null), 0);
        check(&[json!({"apps": null})], json!(null), 0);
        check(&[json!({"apps": []})], json!([]), 0);
    }

    #[test]
    fn apps_beyond_the_bound_are_left_out() {
        let long = "x".repeat(MAX_BYTES / 2);
        let apps = json!([{"slug": "a", "url": long}, {"slug": "b", "url": long}, {"slug": "c"}]);
        check(&[json!({"apps": apps})], json!([{"slug": "a", "url": long}, {"slug": "c"}]), 1);
    }

    #[test]
    fn the_last_layer_that_says_something_of_a_display_app_decides() {
        let (found, warnings) = merge(
            &[
                json!({"displayApps": {"vscode": false, "web_terminal": false}}),
                json!({"displayApps": {"vscode": true, "vscode_insiders": true, "ssh_helper": null}}),
                json!({}),
            ],
            display_apps,
        );
        let expected =
            DisplayApps { vscode_insiders: true, web_terminal: false, ..DisplayApps::default() };
        assert_eq!((found, warnings), (Some(expected), vec![]));
        assert_eq!(merge(&[json!({"apps": []})], display_apps), (None, vec![]));
    }

    #[test]
    fn odd_display_apps_are_warnings() {
        let (found, warnings) = merge(
            &[json!({"displayApps": {"vscode": "no", "emacs": true}}), json!({"displayApps": 1})],
            display_apps,
        );
        assert_eq!(found, Some(DisplayApps::default()));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }
}
