//! Which column of a file becomes which field of a source.

use smol_str::SmolStr;
use tallyd_event::Schema;

/// Where the fields of a source come from.
///
/// A field is taken from the column that it is mapped to, or else from the column of its own name.
/// A column may serve several fields. One that serves none is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Field and column, in the order of the schema.
    columns: Vec<(SmolStr, SmolStr)>,
    /// Field and value, the same for every event.
    constants: Vec<(SmolStr, String)>,
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
    #[error("the file has no column \"{column}\" (expected one of: {expected})")]
    UnknownColumn {
        /// The column.
        column: SmolStr,
        /// The columns that it has.
        expected: String,
    },
    /// No column is a field.
    #[error(
        "no column of the file is a field of the source (columns: {columns}; fields: {fields}); map some with --map field=column"
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
        let given = || mapped.iter().map(|(f, _)| f).chain(constants.iter().map(|(f, _)| f));
        for (place, field) in given().enumerate() {
            if schema.index(field).is_none() {
                let expected = joined(schema.fields.iter().map(|f| f.name.as_str()));
                return Err(MappingError::UnknownField { field: field.clone(), expected });
            }
            if given().take(place).any(|earlier| earlier == field) {
                return Err(MappingError::Twice(field.clone()));
            }
        }
        let is_constant = |name: &SmolStr| constants.iter().any(|(field, _)| field == name);
        let names = schema.fields.iter().map(|field| &field.name);
        let column = |name: &SmolStr| {
            let pair = mapped.iter().find(|(field, _)| field == name);
            (name.clone(), pair.map_or_else(|| name.clone(), |(_, column)| column.clone()))
        };
        let columns = names.filter(|name| !is_constant(name)).map(column).collect();
        Ok(Self { columns, constants: constants.to_vec() })
    }

    /// Field and place of its column among those of a file that has a header. A field whose
    /// column is left out is left out, but a column that was named must be there.
    ///
    /// # Errors
    /// Where a mapped column is not there, or no column serves a field.
    pub(crate) fn places(&self, header: &[&str]) -> Result<Vec<(SmolStr, usize)>, MappingError> {
        let mut places = Vec::new();
        for (field, column) in &self.columns {
            match header.iter().position(|name| name == column) {
                Some(place) => places.push((field.clone(), place)),
                None if field != column => {
                    let expected = joined(header.iter().copied());
                    return Err(MappingError::UnknownColumn { column: column.clone(), expected });
                }
                None => {}
            }
        }
        if places.is_empty() {
            let fields = joined(self.columns.iter().map(|(field, _)| field.as_str()));
            let columns = joined(header.iter().copied());
            return Err(MappingError::NothingInCommon { columns, fields });
        }
        Ok(places)
    }

    /// Field and column.
    pub(crate) fn columns(&self) -> &[(SmolStr, SmolStr)] {
        &self.columns
    }

    /// Field and value.
    pub(crate) fn constants(&self) -> &[(SmolStr, String)] {
        &self.constants
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::{Field, FieldType};

    fn schema() -> Schema {
        let fields = ["id", "user"].map(|name| Field::new(name, FieldType::String)).to_vec();
        Schema { fields, ..Schema::default() }
    }

    fn mapping(mapped: &[(&str, &str)], constants: &[(&str, &str)]) -> Result<Mapping, String> {
        let mapped: Vec<_> = mapped.iter().map(|&(f, c)| (f.into(), c.into())).collect();
        let constants: Vec<_> = constants.iter().map(|&(f, v)| (f.into(), v.into())).collect();
        Mapping::new(&schema(), &mapped, &constants).map_err(|e| e.to_string())
    }

    #[test]
    fn a_field_comes_from_its_column_or_the_one_of_its_name() {
        let places = |mapped: &[(&str, &str)], header: &[&str]| {
            mapping(mapped, &[]).unwrap().places(header).map_err(|e| e.to_string())
        };
        let user: SmolStr = "user".into();
        assert_eq!(
            places(&[("user", "user_id")], &["user", "id", "user_id"]),
            Ok(vec![("id".into(), 1), (user.clone(), 2)])
        );
        assert_eq!(places(&[], &["x", "user"]), Ok(vec![(user, 1)]));
        assert_eq!(
            places(&[("user", "uid")], &["id", "name"]),
            Err("the file has no column \"uid\" (expected one of: id, name)".to_owned())
        );
        assert!(places(&[], &["x"]).unwrap_err().starts_with("no column of the file is a field"));
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
