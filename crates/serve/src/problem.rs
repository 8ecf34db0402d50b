//! Why a request has no answer, as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) writes it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tallyd_query::QueryError;
use tallyd_runtime::StoreError;

/// What went wrong, as programs tell it apart. A code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A parameter, a body or a path can't be read.
    BadRequest,
    /// No token, or one that can't be believed.
    Unauthorized,
    /// The token is good, and does not allow this.
    Forbidden,
    /// There is nothing at this path.
    NotFound,
    /// The method is not one of this path's.
    MethodNotAllowed,
    /// The topology has no such leaderboard, aggregate or source.
    BoltUnknown,
    /// The bolt has no such board, group, period or window.
    ViewUnknown,
    /// The period lies in the future.
    PeriodNotBegun,
    /// The period is no longer kept.
    PeriodGone,
    /// The member is not on the board.
    MemberAbsent,
    /// Nothing is stored of the learner.
    LearnerAbsent,
    /// The edit can't be done, or would change nothing.
    EditRefused,
    /// No edit has this id.
    EditUnknown,
    /// The body is too long.
    TooLarge,
    /// The body is of a kind that is not read here.
    UnsupportedMedia,
    /// Too many requests of one caller.
    TooManyRequests,
    /// Redis can't answer now.
    Unavailable,
    /// A fault of tallyd, or stored data that it did not write.
    Internal,
}

impl Code {
    /// All codes, for the documentation.
    pub const ALL: [Code; 18] = [
        Code::BadRequest,
        Code::Unauthorized,
        Code::Forbidden,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::BoltUnknown,
        Code::ViewUnknown,
        Code::PeriodNotBegun,
        Code::PeriodGone,
        Code::MemberAbsent,
        Code::LearnerAbsent,
        Code::EditRefused,
        Code::EditUnknown,
        Code::TooLarge,
        Code::UnsupportedMedia,
        Code::TooManyRequests,
        Code::Unavailable,
        Code::Internal,
    ];

    /// How it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.parts().0
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.parts().2
    }

    /// The status that it is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.parts().1
    }

    /// Whether there may be an answer later, of the same question.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Code::LearnerAbsent | Code::MemberAbsent | Code::PeriodNotBegun | Code::Unavailable
        )
    }

    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "can't be read"),
            Code::Unauthorized => {
                ("unauthorized", StatusCode::UNAUTHORIZED, "a valid token is needed")
            }
            Code::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "not allowed"),
            Code::NotFound => ("not-found", StatusCode::NOT_FOUND, "nothing is at this path"),
            Code::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "not with this method")
            }
            Code::BoltUnknown => {
                ("bolt-unknown", StatusCode::NOT_FOUND, "the topology has nothing of this name")
            }
            Code::ViewUnknown => {
                ("view-unknown", StatusCode::NOT_FOUND, "the bolt keeps nothing like this")
            }
            Code::PeriodNotBegun => {
                ("period-not-begun", StatusCode::NOT_FOUND, "the period lies in the future")
            }
            Code::PeriodGone => ("period-gone", StatusCode::GONE, "the period is no longer kept"),
            Code::MemberAbsent => {
                ("member-absent", StatusCode::NOT_FOUND, "the member is not on the board")
            }
            Code::LearnerAbsent => {
                ("learner-absent", StatusCode::NOT_FOUND, "nothing is stored of the learner")
            }
            Code::EditRefused => {
                ("edit-refused", StatusCode::UNPROCESSABLE_ENTITY, "the edit can't be done")
            }
            Code::EditUnknown => ("edit-unknown", StatusCode::NOT_FOUND, "no edit has this id"),
            Code::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
            Code::UnsupportedMedia => (
                "unsupported-media",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "bodies of this kind are not read here",
            ),
            Code::TooManyRequests => {
                ("too-many-requests", StatusCode::TOO_MANY_REQUESTS, "too many requests")
            }
            Code::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Redis can't answer now")
            }
            Code::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "an error of the server")
            }
        }
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What it is.
    pub code: Code,
    /// The values, and what to do about it.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Members of its own, such as `size`.
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem, said in a sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, extra: Map::new() }
    }

    /// With a member of its own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// With when to try again.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let (name, status, title) = self.code.parts();
        let mut json = json!({
            "type": format!("/docs#{name}"), "title": title, "status": status.as_u16(),
            "code": name, "detail": self.detail,
        });
        if let Some(members) = json.as_object_mut() {
            members.extend(self.extra.clone());
        }
        json
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/problem+json");
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.code.status(), headers, self.json().to_string()).into_response();
        if let Some(time) = self.retry_after {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthorized {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// How soon a server that can't answer is asked again.
const SOON: Duration = Duration::from_secs(1);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Addresses and users are the operator's to know: the log has them, the caller does not.
        tracing::warn!(%error, "Redis can't be read");
        Problem::new(Code::Unavailable, "Redis did not answer in time, or refused").after(SOON)
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Store(error) => error.into(),
            QueryError::Unknown { kind: "leaderboard" | "aggregate", .. } => {
                Problem::new(Code::BoltUnknown, error.to_string())
            }
            QueryError::Unknown { .. } => Problem::new(Code::ViewUnknown, error.to_string()),
            QueryError::TooManyWindows(_) | QueryError::TooMany { .. } => {
                Problem::new(Code::BadRequest, error.to_string())
            }
            QueryError::Unreadable(reason) => {
                tracing::error!(reason, "what is stored can't be read");
                Problem::new(Code::Internal, "what is stored can't be read: see the server's log")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_its_own() {
        let problem = Problem::new(Code::MemberAbsent, "\"u7\" is not on it").with("size", 3);
        let json = problem.json();
        assert_eq!(json["type"], "/docs#member-absent");
        assert_eq!(json["status"], 404);
        assert_eq!(json["code"], "member-absent");
        assert_eq!(json["size"], 3);
        let response = problem.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn what_can_be_tried_again_says_when() {
        let problem = Problem::new(Code::TooManyRequests, "").after(Duration::from_millis(1200));
        assert_eq!(problem.into_response().headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn codes_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
