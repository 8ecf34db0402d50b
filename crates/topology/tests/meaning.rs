//! What a sound file means: defaults, edges, schemas along a chain, and the environment.

use tallyd_bolt::calendar::Length;
use tallyd_event::decode::TimeLimits;
use tallyd_topology::{BoltOptions, EdgeKey, Node, NodeKind, Retain, Settings, Topology, parse};

const PLAYS: &str = r#"
name = "game"

[source.plays.fields]
id      = "string"
player  = "string"
item    = "string"
won     = "bool"
score   = "int"
seconds = "float"
"#;

fn read(more: &str) -> Topology {
    parse("game.toml", &format!("{PLAYS}{more}"), &|_| None).unwrap_or_else(|f| panic!("{f}"))
}

fn node<'t>(topology: &'t Topology, name: &str) -> &'t Node {
    let (_, node) = topology.node(name).unwrap_or_else(|| panic!("no node {name}"));
    node
}

fn options<'t, T: BoltOptions>(topology: &'t Topology, name: &str) -> &'t T {
    match &node(topology, name).kind {
        NodeKind::Bolt(bolt) => {
            bolt.options.of().unwrap_or_else(|| panic!("{name} is of another type"))
        }
        NodeKind::Source(_) => panic!("{name} is a source"),
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let topology = read("");
    let settings = Settings {
        session_timeout_ms: 5000,
        max_backlog: 100_000,
        max_batch: 8192,
        shared_refresh_ms: 5000,
        dead_letters: 1_000_000,
        dead_letters_bytes: 256 << 20,
        max_stalled_bytes: 256 << 20,
        cache_bytes: 256 << 20,
        fuse: true,
    };
    assert_eq!(topology.settings, settings);
    assert_eq!((topology.partitions, topology.time_zone.as_str()), (16, "UTC"));
    assert_eq!(topology.redis.url, "redis://127.0.0.1:6379");
    let NodeKind::Source(source) = &node(&topology, "plays").kind else { panic!() };
    assert_eq!((source.stream.as_str(), source.retain), ("plays", Retain::Acked));
    assert_eq!(source.limits, TimeLimits { max_ahead_ms: 600_000, max_behind_ms: None });
}

#[test]
fn what_is_said_holds() {
    let text = r#"
        [run]
        session_timeout = "1m30s"
        cache = "1GiB"
        [redis]
        url = "redis://${HOST}:${PORT:-6380}"
        [source.chat]
        stream = "the chat"
        retain = "24h"
        fields = { text = "string" }
    "#;
    let env = |name: &str| (name == "HOST").then(|| "db".to_owned());
    let topology = parse("f", &format!("{PLAYS}{text}"), &env).unwrap();
    assert_eq!(topology.redis.url, "redis://db:6380");
    let settings = &topology.settings;
    assert_eq!((settings.session_timeout_ms, settings.cache_bytes), (90_000, 1 << 30));
    let NodeKind::Source(source) = &node(&topology, "chat").kind else { panic!() };
    assert_eq!((source.stream.as_str(), source.retain), ("the chat", Retain::For(86_400_000)));
}

#[test]
fn the_environment_says_where_redis_is_unless_the_file_does() {
    let file =
        |redis: &str| format!("name = \"t\"\n{redis}\n[source.s]\nfields = {{ a = \"int\" }}");
    let env =
        |given: &'static str| move |name: &str| (name == "TALLYD_REDIS").then(|| given.into());
    let url = |redis: &str, given| parse("t.toml", &file(redis), &env(given)).unwrap().redis.url;
    assert_eq!(url("", "redis://other:7301"), "redis://other:7301");
    assert_eq!(url("[redis]", "redis://other:7301"), "redis://other:7301");
    assert_eq!(url("", ""), "redis://127.0.0.1:6379");
    assert_eq!(url("[redis]\nurl = \"redis://db:1\"", "redis://other:7301"), "redis://db:1");
    let faults = parse("t.toml", &file(""), &env("other:7301")).unwrap_err();
    assert!(faults.to_string().contains("TALLYD_REDIS is not the address of a Redis"), "{faults}");
}

#[test]
fn windows_are_kept_as_long_as_the_documentation_says() {
    let topology = read(
        r#"
        [bolt.stats]
        type = "aggregate"
        from = "plays"
        windows = ["90s", "1m", "60m", "6h", "1d", "1w", "1mo", "all", { length = "30s", retain = "forever" }, { length = "15m", retain = "2d" }]
        measures = { n = "count", m = "count(won)", o = "count(score)", p = "p99.9(score)" }
        "#,
    );
    let options: &tallyd_aggregate::Options = options(&topology, "stats");
    let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
    let expected = [
        ("90s", Length::Millis(90_000), Some(180 * minute)),
        ("1m", Length::Millis(minute), Some(2 * hour)),
        ("1h", Length::Millis(hour), Some(7 * day)),
        ("6h", Length::Millis(6 * hour), Some(42 * day)),
        ("1d", Length::Day, Some(90 * day)),
        ("1w", Length::Week, Some(365 * day)),
        ("1mo", Length::Month, Some(1095 * day)),
        ("all", Length::All, None),
        ("30s", Length::Millis(30_000), None),
        ("15m", Length::Millis(15 * minute), Some(2 * day)),
    ];
    let windows: Vec<(&str, Length, Option<i64>)> =
        options.windows.iter().map(|w| (w.name.as_str(), w.length, w.lasting.retain_ms)).collect();
    assert_eq!(windows, expected);
    let measures: Vec<String> =
        options.measures.iter().map(|m| format!("{} {:?}", m.name, m.function)).collect();
    insta::assert_snapshot!(measures.join("\n"), @r#"
    n Count
    m CountTrue(FieldRef { index: 3, name: "won" })
    o CountPresent(FieldRef { index: 4, name: "score" })
    p Quantile(FieldRef { index: 4, name: "score" }, 0.999)
    "#);
}

#[test]
fn figures_of_decimals_have_the_places_of_their_fields() {
    let topology = parse(
        "t.toml",
        r#"
        name = "t"
        [source.s]
        id = "id"
        [source.s.fields]
        id = "string"
        price = { type = "decimal", places = 3, min = 0.5 }
        [bolt.a]
        type = "aggregate"
        from = "s"
        windows = ["all"]
        measures = { n = "count", sum = "sum(price)", mean = "mean(price)", kinds = "distinct(price)", last = "last(price)" }
        [bolt.b]
        type = "leaderboard"
        from = "s"
        member = "id"
        score = "max(price)"
        [[test]]
        name = "exact"
        events = [{ id = "1", price = 0.501 }]
        expect = [{ bolt = "a", measures = { sum = 0.501, mean = 0.501 } }, { bolt = "b", member = "1", score = "0.5010" }]
        "#,
        &|_| None,
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    let of_a: &tallyd_aggregate::Options = options(&topology, "a");
    let places: Vec<Option<u8>> = of_a.measures.iter().map(|measure| measure.places).collect();
    assert_eq!(places, [None, Some(3), Some(3), None, Some(3)]);
    let of_b: &tallyd_leaderboard::Options = options(&topology, "b");
    assert_eq!((of_b.places, of_b.ties), (Some(3), tallyd_leaderboard::Ties::First));
}

#[test]
fn ties_follow_from_the_score() {
    use tallyd_leaderboard::Ties;
    let cases = [
        ("max(score)", "", Ties::First),
        ("count", "", Ties::First),
        ("sum(seconds)", "", Ties::Shared),
        ("sum(score)", "ties = \"shared\"", Ties::Shared),
    ];
    for (score, ties, expected) in cases {
        let topology = read(&format!(
            "[bolt.b]\ntype = \"leaderboard\"\nfrom = \"plays\"\nmember = \"player\"\nscore = \"{score}\"\n{ties}"
        ));
        let options: &tallyd_leaderboard::Options = options(&topology, "b");
        assert_eq!(options.ties, expected, "{score}");
        assert_eq!((options.boards.len(), options.periods[0].name.as_str()), (1, "all"));
    }
}

#[test]
fn edges_are_keyed_by_what_consumers_want() {
    let bolts = r#"
        [bolt.unique]
        type = "dedup"
        from = "plays"
        window = "1h"
        [bolt.total]
        type = "aggregate"
        from = "plays"
        windows = ["all"]
        measures = { n = "count" }
        [bolt.pairs]
        type = "aggregate"
        from = "plays"
        by = ["player", "item"]
        windows = ["all"]
        measures = { n = "count" }
        [bolt.grasp]
        type = "mastery"
        from = "plays"
        learner = "player"
        concept = "item"
        item = "item"
        correct = "won"
        [bolt.best]
        type = "leaderboard"
        from = "plays"
        member = "player"
        score = "max(score)"
    "#;
    let topology = read(&format!("{bolts}[source.plays]\nid = \"id\"\n"));
    let edges: Vec<(&str, &EdgeKey, usize)> = node(&topology, "plays")
        .edges
        .iter()
        .map(|edge| (edge.label.as_str(), &edge.key, edge.consumers.len()))
        .collect();
    let expected = [
        ("identity", &EdgeKey::Identity, 1),
        ("none", &EdgeKey::Fields(vec![]), 1),
        ("player,item", &EdgeKey::Fields(vec![1, 2]), 1),
        ("player", &EdgeKey::Fields(vec![1]), 2),
    ];
    assert_eq!(edges, expected);
    // With a key, what wants the key and what wants its field are one edge.
    let topology = read(&format!("{bolts}[source.plays]\nid = \"id\"\nkey = \"player\"\n"));
    let keyed = &node(&topology, "plays").edges[0];
    assert_eq!((keyed.label.as_str(), keyed.consumers.len()), ("player", 3));
}

#[test]
fn what_takes_the_events_of_a_dedup_bolt_in_their_partition_is_fused_with_it() {
    let bolts = r#"
        [source.plays]
        id = "id"
        key = "player"
        [bolt.unique]
        type = "dedup"
        from = "plays"
        window = "1h"
        [bolt.again]
        type = "dedup"
        from = "unique"
        window = "2h"
        [bolt.best]
        type = "leaderboard"
        from = "again"
        member = "player"
        score = "max(score)"
        [bolt.items]
        type = "aggregate"
        from = "again"
        by = ["item"]
        windows = ["all"]
        measures = { n = "count" }
        [bolt.direct]
        type = "leaderboard"
        from = "plays"
        member = "player"
        score = "max(score)"
        [bolt.grasp]
        type = "mastery"
        from = "again"
        learner = "player"
        concept = "item"
        item = "item"
        correct = "won"
        emit = true
        # Its key stands where the other's does, but in events of another kind.
        [bolt.predicted]
        type = "aggregate"
        from = "grasp"
        by = ["learner"]
        windows = ["all"]
        measures = { n = "count" }
    "#;
    let fused_with = |topology: &Topology, name: &str| {
        let (place, _) = topology.node(name).unwrap();
        topology.nodes[topology.head(place)].name.to_string()
    };
    let names = ["plays", "unique", "again", "best", "items", "direct", "grasp", "predicted"];
    let topology = read(bolts);
    let heads = names.map(|name| fused_with(&topology, name));
    let expected =
        ["plays", "unique", "unique", "unique", "items", "direct", "unique", "predicted"];
    assert_eq!(heads, expected);
    let (unique, _) = topology.node("unique").unwrap();
    assert_eq!(topology.fused(unique).len(), 4);
    let edges = |name: &str| node(&topology, name).edges.iter().map(|e| e.label.clone());
    assert_eq!(edges("unique").count(), 0);
    assert_eq!(edges("again").collect::<Vec<_>>(), ["item"]);
    let key = |name: &str| topology.partitioned_by(topology.node(name).unwrap().0);
    assert_eq!(key("best"), Some(&EdgeKey::Fields(vec![1])));
    assert_eq!((key("best"), key("plays")), (key("direct"), None));

    let apart = read(&format!("{bolts}[run]\nfuse = false\n"));
    assert_eq!(names.map(|name| fused_with(&apart, name)), names);
    let shape = |topology: &Topology| node(topology, "best").shape["fused"].clone();
    assert_eq!((shape(&topology).as_str(), shape(&apart).as_str()), ("true", "false"));

    // Without a key, identities are what the dedup bolt is partitioned by.
    let topology = read(&bolts.replace("key = \"player\"", ""));
    let heads = names.map(|name| fused_with(&topology, name));
    let expected = ["plays", "unique", "unique", "best", "items", "direct", "grasp", "predicted"];
    assert_eq!(heads, expected);
}

#[test]
fn a_chain_has_the_schema_of_each_link() {
    let topology = read(
        r#"
        [bolt.by-concept]
        type = "aggregate"
        from = "predictions"
        by = ["concept"]
        windows = ["1h"]
        measures = { right = "count(correct)", predicted = "mean(predicted)" }
        [bolt.predictions]
        type = "mastery"
        from = "again"
        learner = "player"
        concept = "item"
        item = "item"
        correct = "won"
        emit = true
        [bolt.again]
        type = "dedup"
        from = "unique"
        window = "2h"
        [bolt.unique]
        type = "dedup"
        from = "plays"
        window = "1h"
        [source.plays]
        id = "id"
        [sink.out]
        from = "predictions"
        "#,
    );
    let names: Vec<&str> = topology.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["plays", "unique", "again", "predictions", "by-concept"]);
    assert_eq!(node(&topology, "again").schema, node(&topology, "plays").schema);
    assert_eq!(*node(&topology, "predictions").schema, tallyd_mastery::output_schema());
    assert!(node(&topology, "by-concept").schema.fields.is_empty());
    assert_eq!(node(&topology, "predictions").sinks[0].stream, "out");
}

#[test]
fn events_of_a_test_arrive_in_their_order() {
    let topology = read(
        r#"
        [source.plays]
        id = "id"
        time = "at"
        [source.plays.fields.at]
        type = "time"
        optional = true
        [[test]]
        name = "x"
        events = [
          { id = "a" },
          { id = "b", at = 2026-02-01T00:00:00Z },
          { id = "c", at = 2026-01-15T00:00:00Z },
          { id = "d", at = 0, arrival = 2026-03-01T00:00:00Z },
          { id = "e" },
        ]
        expect = [{ dead = "plays", count = 5 }]
        "#,
    );
    let arrivals: Vec<i64> = topology.tests[0].events.iter().map(|e| e.arrival).collect();
    let (january, february, march) = (1_767_225_600_000, 1_769_904_000_000, 1_772_323_200_000);
    assert_eq!(arrivals, [january, february, february, march, march]);
}
