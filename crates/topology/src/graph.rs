//! Draws a topology, as Mermaid and as DOT: sources, bolts, sinks and results as boxes, edges with
//! the key that they are partitioned by.

use crate::plan::{Node, NodeKind, Topology};
use std::fmt::Write;

/// One box of the drawing.
struct Shape {
    id: String,
    kind: ShapeKind,
    lines: Vec<String>,
}

#[derive(Clone, Copy)]
enum ShapeKind {
    Bolt,
    Results,
    Sink,
    Source,
}

/// An arrow between two boxes, by their ids.
struct Arrow {
    from: String,
    to: String,
    label: String,
}

/// The topology as a Mermaid flowchart.
#[must_use]
pub fn mermaid(topology: &Topology) -> String {
    let (shapes, arrows) = drawing(topology);
    let mut text = format!("---\ntitle: {}\n---\nflowchart LR\n", topology.name);
    for Shape { id, kind, lines } in &shapes {
        let lines: Vec<String> = lines.iter().map(|line| mermaid_text(line)).collect();
        let label = lines.join("<br>");
        let (open, close) = match kind {
            ShapeKind::Bolt => ("[", "]"),
            ShapeKind::Results => ("[(", ")]"),
            ShapeKind::Sink => ("[\\", "\\]"),
            ShapeKind::Source => ("[/", "/]"),
        };
        let _ = writeln!(text, "  {id}{open}\"{label}\"{close}");
    }
    for Arrow { from, to, label } in &arrows {
        let label = mermaid_text(label);
        let _ = match label.as_str() {
            "" => writeln!(text, "  {from} --> {to}"),
            label => writeln!(text, "  {from} -->|\"{label}\"| {to}"),
        };
    }
    text
}

/// The topology in the DOT language of Graphviz.
#[must_use]
pub fn dot(topology: &Topology) -> String {
    let (shapes, arrows) = drawing(topology);
    let mut text = format!("digraph \"{}\" {{\n  rankdir=LR;\n", topology.name);
    for Shape { id, kind, lines } in &shapes {
        let lines: Vec<String> = lines.iter().map(|line| dot_text(line)).collect();
        let shape = match kind {
            ShapeKind::Bolt => "box",
            ShapeKind::Results => "cylinder",
            ShapeKind::Sink => "cds",
            ShapeKind::Source => "parallelogram",
        };
        let _ = writeln!(text, "  {id} [shape={shape}, label=\"{}\"];", lines.join("\\n"));
    }
    for Arrow { from, to, label } in &arrows {
        let _ = match dot_text(label).as_str() {
            "" => writeln!(text, "  {from} -> {to};"),
            label => writeln!(text, "  {from} -> {to} [label=\"{label}\"];"),
        };
    }
    text.push_str("}\n");
    text
}

fn drawing(topology: &Topology) -> (Vec<Shape>, Vec<Arrow>) {
    let (mut shapes, mut arrows) = (Vec::new(), Vec::new());
    for (place, node) in topology.nodes.iter().enumerate() {
        let id = format!("n{place}");
        shapes.push(shape_of(&id, node));
        for edge in &node.edges {
            arrows.extend(edge.consumers.iter().map(|consumer| Arrow {
                from: id.clone(),
                to: format!("n{consumer}"),
                label: format!("by {}", edge.label),
            }));
        }
        let takes = |taker: &(usize, &Node)| match &taker.1.kind {
            NodeKind::Bolt(bolt) => bolt.from == place && bolt.edge.is_none(),
            NodeKind::Source(_) => false,
        };
        arrows.extend(topology.nodes.iter().enumerate().filter(takes).map(|(taker, _)| Arrow {
            from: id.clone(),
            to: format!("n{taker}"),
            label: "fused".to_owned(),
        }));
        for (number, sink) in node.sinks.iter().enumerate() {
            let to = format!("{id}s{number}");
            let lines = vec![sink.name.to_string(), format!("stream {}", sink.stream)];
            shapes.push(Shape { id: to.clone(), kind: ShapeKind::Sink, lines });
            let label = if sink.late { "late" } else { "" }.to_owned();
            arrows.push(Arrow { from: id.clone(), to, label });
        }
        if let Some(results) = results(node) {
            let to = format!("{id}r");
            let lines = vec![results.to_owned()];
            shapes.push(Shape { id: to.clone(), kind: ShapeKind::Results, lines });
            arrows.push(Arrow { from: id, to, label: String::new() });
        }
    }
    (shapes, arrows)
}

fn shape_of(id: &str, node: &Node) -> Shape {
    let (kind, what) = match &node.kind {
        NodeKind::Source(source) => (ShapeKind::Source, format!("stream {}", source.stream)),
        NodeKind::Bolt(bolt) => (ShapeKind::Bolt, bolt.options.type_name().to_owned()),
    };
    Shape { id: id.to_owned(), kind, lines: vec![node.name.to_string(), what] }
}

fn results(node: &Node) -> Option<&'static str> {
    let NodeKind::Bolt(bolt) = &node.kind else { return None };
    bolt.options.kind().results()
}

fn mermaid_text(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
