//! Random moves in a small tree, compared with a model that knows nothing of file systems.

use std::collections::BTreeMap;

use agent_api::{Classify, ErrorCode};
use proptest::prelude::*;

use super::rename;
use crate::fixture::{Fixture, block_on};

/// What each path holds: `None` is a directory.
type Model = BTreeMap<String, Option<String>>;

fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// The parents of a path, the nearest last.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// What a move must do: the tree afterwards, or the code of the refusal.
fn expected(model: &Model, from: &str, to: &str, overwrite: bool) -> Result<Model, ErrorCode> {
    let is_file = |path: &str| matches!(model.get(path), Some(Some(_)));
    if parents(from).any(is_file) {
        return Err(ErrorCode::InvalidArgument);
    }
    let Some(moved) = model.get(from) else {
        // The path of the new place is resolved first.
        let through_file = parents(to).any(|parent| is_file(parent) && is_inside(to, parent))
            && parents(to)
                .filter(|parent| is_file(parent))
                .any(|file| parents(to).any(|below| is_inside(below, file)));
        let code = if through_file { ErrorCode::InvalidArgument } else { ErrorCode::NotFound };
        return Err(code);
    };
    if from == to {
        return Ok(model.clone());
    }
    if is_inside(to, from) || parents(to).any(is_file) {
        return Err(ErrorCode::InvalidArgument);
    }
    if let Some(replaced) = model.get(to) {
        let is_empty = !model.keys().any(|path| is_inside(path, to));
        let fits = moved.is_none() == replaced.is_none() && is_empty;
        if !overwrite || !fits {
            return Err(ErrorCode::Conflict);
        }
    }
    let mut after = Model::new();
    for (path, content) in model {
        if path == from || is_inside(path, from) {
            after.insert(format!("{to}{}", &path[from.len()..]), content.clone());
        } else if path != to {
            after.insert(path.clone(), content.clone());
        }
    }
    after.extend(parents(to).map(|parent| (parent.to_owned(), None)));
    Ok(after)
}

fn make(fixture: &Fixture, model: &Model) {
    for (path, content) in model {
        match content {
            Some(content) => drop(fixture.put(path, content)),
            None => drop(fixture.dir(path)),
        }
    }
}

/// What is really there.
fn found(fixture: &Fixture, directory: &str, model: &mut Model) {
    for name in fixture.names(directory) {
        let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
        if fixture.at(&path).is_dir() {
            found(fixture, &path, model);
            model.insert(path, None);
        } else {
            let content = fixture.get(&path);
            model.insert(path, Some(content));
        }
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..4).prop_map(|names| names.join("/"))
}

/// A tree in which every parent is a directory.
fn tree() -> impl Strategy<Value = Model> {
    prop::collection::vec((path(), prop::option::of("[xy]{1,3}")), 0..7).prop_map(|entries| {
        let mut model = Model::new();
        for (path, content) in entries {
            let is_file = |path: &str| matches!(model.get(path), Some(Some(_)));
            if parents(&path).any(is_file) || model.contains_key(&path) {
                continue;
            }
            let above: Vec<_> = parents(&path).map(|parent| (parent.to_owned(), None)).collect();
            model.extend(above);
            model.insert(path, content);
        }
        model
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn moves_do_what_the_model_says(
        tree in tree(),
        moves in prop::collection::vec((path(), path(), any::<bool>()), 1..6),
    ) {
        let fixture = Fixture::new();
        make(&fixture, &tree);
        let mut model = tree;
        for (from, to, overwrite) in moves {
            let answer = block_on(rename(&fixture, &from, &to, overwrite));
            let expected = expected(&model, &from, &to, overwrite);
            let code = answer.as_ref().err().map(Classify::code);
            prop_assert_eq!(code, expected.as_ref().err().copied(), "{} to {}", from, to);
            model = expected.unwrap_or(model);
            let mut real = Model::new();
            found(&fixture, "", &mut real);
            prop_assert_eq!(&real, &model, "{} to {}", from, to);
        }
    }
}
