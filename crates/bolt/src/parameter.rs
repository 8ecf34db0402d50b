//! A documented constant of a bolt's formula, which a topology may set.

/// One constant of a bolt's parameters `T`: what it is called, means and may be. The topology
/// file's reader, its JSON Schema and its documentation all take it from here.
pub struct Parameter<T: 'static> {
    /// The key in a topology file.
    pub name: &'static str,
    /// Meaning, unit, and the source of the default.
    pub doc: &'static str,
    /// The lowest value it may have.
    pub min: f64,
    /// The highest value it may have.
    pub max: f64,
    /// Where it stands.
    pub place: fn(&mut T) -> &mut f64,
}
