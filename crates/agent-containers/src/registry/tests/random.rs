//! What holds after any events in any order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    List(Vec<(u8, u8, bool, i64)>),
    BeginUp(u8),
    EndUp(u8, bool, i64),
    BeginDelete(u8),
    Stopped(u8),
    Forget(u8),
    Fix(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let folder = 0_u8..3;
    let container = (0_u8..4, folder.clone(), any::<bool>(), 0_i64..50);
    let step = prop_oneof![
        proptest::collection::vec(container, 0..4).prop_map(Step::List),
        folder.clone().prop_map(Step::BeginUp),
        (folder.clone(), any::<bool>(), 0_i64..50).prop_map(|(f, ok, ms)| Step::EndUp(f, ok, ms)),
        folder.clone().prop_map(Step::BeginDelete),
        folder.clone().prop_map(Step::Stopped),
        folder.clone().prop_map(Step::Forget),
        (folder, 0_u8..3).prop_map(|(folder, name)| Step::Fix(folder, name)),
    ];
    proptest::collection::vec(step, 0..40)
}

fn apply(registry: &mut Registry, step: Step) {
    let path = |folder: u8| format!("/{folder}/proj");
    let status = |registry: &Registry, folder: &str| {
        all(registry).into_iter().find(|dev| dev.workspace_folder == folder).map(|dev| dev.status)
    };
    let id = |folder: u8| Uuid::new_v5(&AGENT, path(folder).as_bytes());
    match step {
        Step::List(containers) => {
            let made: Vec<_> = containers
                .into_iter()
                .map(|(id, folder, runs, ms)| container(&id.to_string(), &path(folder), runs, ms))
                .collect();
            list(registry, &made);
        }
        Step::BeginUp(folder) => drop(registry.begin_up(id(folder))),
        Step::EndUp(folder, is_given, ms) => {
            if status(registry, &path(folder)) == Some(Status::Starting) {
                let failed = UpResult::Failed("failed".to_owned());
                let result = if is_given { given("0", None) } else { failed };
                registry.end_up(&path(folder), result, at(ms - 1), at(ms));
            }
        }
        Step::BeginDelete(folder) => drop(registry.begin_delete(id(folder))),
        Step::Stopped(folder) => registry.container_stopped(&path(folder)),
        Step::Forget(folder) => {
            if status(registry, &path(folder)) == Some(Status::Deleting) {
                let owned = registry.find(id(folder)).unwrap();
                registry.forget(&owned);
            }
        }
        Step::Fix(folder, name) => registry.set_file(&path(folder), named(&format!("n{name}"))),
    }
}

proptest! {
    #[test]
    fn whatever_happens_names_are_unique_and_states_make_sense(steps in steps()) {
        let mut registry = Registry::new(&config());
        for step in steps {
            let before = all(&registry);
            let is_listing = matches!(step, Step::List(_));
            apply(&mut registry, step);
            let after = all(&registry);
            let names: Vec<_> =
                after.iter().map(|dev| dev.name.as_str()).filter(|name| !name.is_empty()).collect();
            prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            prop_assert!(after.is_sorted_by(|a, b| a.workspace_folder < b.workspace_folder));
            for dev in &after {
                let runs = dev.container.as_ref().map(|container| container.running);
                prop_assert!(dev.container.is_none() || !dev.name.is_empty(), "{:?}", dev);
                prop_assert_eq!(dev.status == Status::Error, dev.error.is_some());
                if dev.status == Status::Stopped {
                    prop_assert_ne!(runs, Some(true));
                }
            }
            if is_listing {
                for dev in before.iter().filter(|dev| status::is_owned(dev.status)) {
                    prop_assert!(after.contains(dev), "{:?}", dev);
                }
            }
        }
    }
}
