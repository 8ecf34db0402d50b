//! Which column of a file becomes which field of a source.

use smol_str::SmolStr;
use tallyd_event::{Schema, decode::Given};

/// Where the fields of a source come from.
///
/// A field is taken from the column that it is mapped to, or else from the column of its own name.
/// A column may serve several fields. One that serves none is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// For each field of the schema, in its order.
    origins: Vec<Origin>,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A column that was named.
    Column(SmolStr),
    /// The same value for every event.
    Constant(String),
    /// The column of its own name.
    OwnName,
}

/// A mapping that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A field that the source does not have.
    #[error("the source has no field \"{field}\" (expected one of: {expected})")]
    UnknownField {
        /// The field.
        field: SmolStr,
        /// The fields that it has.
        expected: String,
    },
    /// A field that is given two values.
    #[error("field \"{0}\" is mapped or set twice")]
    Twice(SmolStr),
    /// A column that the file does not have.
    #[error("the file has no column \"{column}\" (its columns: {columns})")]
    UnknownColumn {
        /// The column.
        column: SmolStr,
        /// The columns that it has.
        columns: String,
    },
    /// A column whose name stands twice in the header.
    #[error("column \"{0}\" stands twice in the header: which of them is meant? Rename one")]
    DoubleColumn(SmolStr),
    /// No column for a field that every event needs.
    #[error(
        "no column for {fields}, which every event needs (columns: {columns}); take one of another \
         name with --map FIELD=COLUMN, or give one value to all with --set FIELD=VALUE"
    )]
    Missing {
        /// The fields.
        fields: String,
        /// The columns of the file.
        columns: String,
    },
    /// No column is a field.
    #[error(
        "no column of the file is a field of the source (columns: {columns}; fields: {fields}); map some with --map FIELD=COLUMN"
    )]
    NothingInCommon {
        /// The columns of the file.
        columns: String,
        /// The fields of the source.
        fields: String,
    },
}

impl Mapping {
    /// The mapping of these pairs, `(field, column)` and `(field, constant value)`.
    ///
    /// # Errors
    /// Where a field is not one of the source's, or is given twice.
    pub fn new(
        schema: &Schema,
        mapped: &[(SmolStr, SmolStr)],
        constants: &[(SmolStr, String)],
    ) -> Result<Self, MappingError> {
        let mut origins = vec![Origin::OwnName; schema.fields.len()];
        let columns = mapped.iter().map(|(field, column)| (field, Origin::Column(column.clone())));
        let values =
            constants.iter().map(|(field, value)| (field, Origin::Constant(value.clone())));
        for (field, origin) in columns.chain(values) {
            let Some(slot) = schema.index(field).and_then(|place| origins.get_mut(place)) else {
                let expected = joined(schema.fields.iter().map(|f| f.name.as_str()));
                return Err(MappingError::UnknownField { field: field.clone(), expected });
            };
            if *slot != Origin::OwnName {
                return Err(MappingError::Twice(field.clone()));
            }
            *slot = origin;
        }
        Ok(Self { origins })
    }

    /// Places of the schema, and of the columns that serve them. A field whose column is left out
    /// is left out, but one that every event needs must have one, and a column that was named
    /// must be there.
    ///
    /// # Errors
    /// Where that does not hold, or a column stands twice, or no column serves a field.
    pub(crate) fn places(
        &self,
        schema: &Schema,
        header: &[&str],
    ) -> Result<Vec<(usize, usize)>, MappingError> {
        let columns = || quoted(header.iter().copied());
        let mut places = Vec::new();
        let mut missing = Vec::new();
        for (place, (field, origin)) in schema.fields.iter().zip(&self.origins).enumerate() {
            let (column, is_named) = match origin {
                Origin::Constant(_) => continue,
                Origin::Column(column) => (column, true),
                Origin::OwnName => (&field.name, false),
            };
            let mut found = header.iter().enumerate().filter(|(_, name)| *name == column);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => return Err(MappingError::DoubleColumn(column.clone())),
                (Some((at, _)), None) => places.push((place, at)),
                (None, _) if is_named => {
                    let column = column.clone();
                    return Err(MappingError::UnknownColumn { column, columns: columns() });
                }
                (None, _) if !field.optional => missing.push(field.name.as_str()),
                (None, _) => {}
            }
        }
        if places.is_empty() {
            let fields = joined(schema.fields.iter().map(|field| field.name.as_str()));
            return Err(MappingError::NothingInCommon { columns: columns(), fields });
        }
        if !missing.is_empty() {
            let fields = quoted(missing.into_iter());
            return Err(MappingError::Missing { fields, columns: columns() });
        }
        Ok(places)
    }

    /// Places of the schema that a column of this name serves.
    pub(crate) fn fields_of<'a>(
        &'a self,
        schema: &'a Schema,
        column: &'a str,
    ) -> impl Iterator<Item = usize> + 'a {
        let served = move |(field, origin): (&tallyd_event::Field, &Origin)| match origin {
            Origin::Column(name) => name == column,
            Origin::Constant(_) => false,
            Origin::OwnName => field.name == column,
        };
        let all = schema.fields.iter().zip(&self.origins).enumerate();
        all.filter(move |(_, pair)| served(*pair)).map(|(place, _)| place)
    }

    /// Places of the schema, and the values that all events have there.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (usize, Given<'_>)> {
        self.origins.iter().enumerate().filter_map(|(place, origin)| match origin {
            Origin::Constant(value) => Some((place, Given::Text(value.as_bytes()))),
            Origin::Column(_) | Origin::OwnName => None,
        })
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// In quotes, so that blanks at their ends are seen.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::{Field, FieldType};

    fn schema() -> Schema {
        let mut user = Field::new("user", FieldType::String);
        user.optional = true;
        Schema { fields: vec![Field::new("id", FieldType::String), user], ..Schema::default() }
    }

    fn mapping(mapped: &[(&str, &str)], constants: &[(&str, &str)]) -> Result<Mapping, String> {
        let mapped: Vec<_> = mapped.iter().map(|&(f, c)| (f.into(), c.into())).collect();
        let constants: Vec<_> = constants.iter().map(|&(f, v)| (f.into(), v.into())).collect();
        Mapping::new(&schema(), &mapped, &constants).map_err(|e| e.to_string())
    }

    #[test]
    fn a_field_comes_from_its_column_or_the_one_of_its_name() {
        let places = |mapped: &[(&str, &str)], header: &[&str]| {
            mapping(mapped, &[]).unwrap().places(&schema(), header).map_err(|e| e.to_string())
        };
        let uid = [("user", "uid")];
        assert_eq!(places(&uid, &["user", "id", "uid"]), Ok(vec![(0, 1), (1, 2)]));
        assert_eq!(places(&[], &["x", "id"]), Ok(vec![(0, 1)]));
        let reasons = [
            (
                uid.as_slice(),
                vec!["id", "name"],
                "the file has no column \"uid\" (its columns: \"id\", \"name\")",
            ),
            (
                &[],
                vec!["x"],
                "no column of the file is a field of the source (columns: \"x\"; fields: id, user); map some with --map FIELD=COLUMN",
            ),
            (
                &[],
                vec!["id", "x", "x", "user", "user"],
                "column \"user\" stands twice in the header: which of them is meant? Rename one",
            ),
            (
                &[],
                vec![" id", "user"],
                "no column for \"id\", which every event needs (columns: \" id\", \"user\"); take one of another name with --map FIELD=COLUMN, or give one value to all with --set FIELD=VALUE",
            ),
        ];
        for (mapped, header, reason) in reasons {
            assert_eq!(places(mapped, &header), Err(reason.to_owned()));
        }
    }

    #[test]
    fn what_the_source_does_not_have_is_refused() {
        let refused = |mapped: &[(&str, &str)], constants: &[(&str, &str)]| {
            mapping(mapped, constants).unwrap_err()
        };
        assert_eq!(
            refused(&[("usr", "u")], &[]),
            "the source has no field \"usr\" (expected one of: id, user)"
        );
        assert_eq!(
            refused(&[("user", "u")], &[("user", "x")]),
            "field \"user\" is mapped or set twice"
        );
    }
}
