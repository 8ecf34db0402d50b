//! The topology files of this repository: each is read and drawn.

mod support;

use support::{read_file, repository};
use tallyd_topology::{EdgeKey, NodeKind, Topology, dot, mermaid, parse, test_case::Expect};

const FILES: [&str; 4] = ["testprep", "high-scores", "page-views", "regrade"];

fn topology(name: &str) -> Topology {
    let path = repository().join("topologies").join(format!("{name}.toml"));
    parse(&format!("topologies/{name}.toml"), &read_file(&path), &|_| None)
        .unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn every_file_is_sound_and_has_tests() {
    for name in FILES {
        let topology = topology(name);
        assert_eq!(topology.name, name);
        assert!(topology.tests.len() >= 2, "{name}");
        assert_eq!(topology.redis.url, "redis://127.0.0.1:6379");
    }
}

#[test]
fn every_bolt_can_be_made_and_emits_what_the_plan_says() {
    for name in FILES {
        let topology = topology(name);
        for node in &topology.nodes {
            let Some(bolt) = topology.bolt(node, [7; 16]) else { continue };
            let planned = (!node.schema.fields.is_empty()).then_some(&*node.schema);
            assert_eq!(bolt.output(), planned, "{}", node.name);
        }
    }
}

#[test]
fn consumers_that_want_one_key_share_an_edge() {
    let text = read_file(&repository().join("topologies/testprep.toml"));
    let topology = parse("f", &format!("{text}[run]\nfuse = false\n"), &|_| None).unwrap();
    let (_, answers) = topology.node("answers").unwrap();
    let (place, unique) = topology.node("unique").unwrap();
    let labels: Vec<(&str, usize)> =
        unique.edges.iter().map(|edge| (edge.label.as_str(), edge.consumers.len())).collect();
    assert_eq!(labels, [("concept", 1), ("user", 3)]);
    assert_eq!(answers.edges[0].key, EdgeKey::Fields(vec![1]));
    for node in &topology.nodes {
        let NodeKind::Bolt(bolt) = &node.kind else { continue };
        let edge = &topology.nodes[bolt.from].edges[bolt.edge.unwrap()];
        assert!(edge.consumers.iter().any(|&consumer| topology.nodes[consumer].name == node.name));
        assert_eq!((node.partitions, bolt.from == place), (16, node.name != "unique"));
    }
}

#[test]
fn what_is_stored_depends_on_what_the_shape_says() {
    let topology = topology("testprep");
    let (_, points) = topology.node("points").unwrap();
    let shape: Vec<String> =
        points.shape.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    insta::assert_snapshot!(shape.join("\n"));
}

#[test]
fn a_test_is_read_with_its_places() {
    let topology = topology("testprep");
    let test = &topology.tests[0];
    assert_eq!(test.events.len(), 3);
    assert_eq!(test.events[1].arrival, test.events[0].arrival + 30_000);
    let correct = ("correct".into(), "true".to_owned());
    assert!(test.events[0].fields.contains(&correct));
    let Expect::Board { board, by, member, rank, .. } = &test.expectations[4].expect else {
        panic!("{:?}", test.expectations[4])
    };
    assert_eq!((*board, by.as_slice()), (1, &[("class".into(), "10B".into())][..]));
    assert_eq!((member.as_deref(), *rank), (Some("u7"), Some(1)));
    let text = read_file(&repository().join("topologies/testprep.toml"));
    let line = text.lines().nth(test.expectations[4].place.line - 1).unwrap();
    assert!(line.contains("class = \"10B\""), "{line}");
}

#[test]
fn parameters_of_a_formula_are_read_and_bounded() {
    let text = read_file(&repository().join("topologies/testprep.toml"));
    for parameter in tallyd_fatigue::Parameters::TABLE {
        let with = |value: f64| {
            let line = format!("response_ms = \"ms\"\n{} = {value:?}", parameter.name);
            parse("f", &text.replace("response_ms = \"ms\"", &line), &|_| None)
        };
        let value = (parameter.min + parameter.max) / 2.0;
        let topology = with(value).unwrap();
        let (_, node) = topology.node("fatigue").unwrap();
        let NodeKind::Bolt(bolt) = &node.kind else { panic!() };
        let mut options = bolt.options.of::<tallyd_fatigue::Options>().unwrap().clone();
        assert_eq!(*(parameter.place)(&mut options.parameters), value, "{}", parameter.name);
        let faults = with(parameter.max + 1.0).unwrap_err();
        let message = format!("\"{}\": {} is out of range", parameter.name, parameter.max + 1.0);
        assert_eq!(faults.faults[0].message, message);
    }
}

#[test]
fn the_drawings_do_not_change_unseen() {
    for name in FILES {
        let topology = topology(name);
        insta::assert_snapshot!(format!("{name}.mermaid"), mermaid(&topology));
        insta::assert_snapshot!(format!("{name}.dot"), dot(&topology));
    }
}
