//! What travels: candidates out, costs back, one JSON value a line.

use serde::Serialize;
use serde_json::Value;

use crate::Assignment;

/// A candidate as one line with its line feed.
pub(crate) fn candidate(id: u64, x: &Assignment) -> Vec<u8> {
    #[derive(Serialize)]
    struct Candidate<'a> {
        id: u64,
        x: &'a Assignment,
    }
    // Texts, finite numbers and arrays of them: nothing in it can fail to be written.
    let mut line = serde_json::to_vec(&Candidate { id, x }).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A program's answer: a finite cost, or a failure with the reason if the program gave one.
pub(crate) type Answer = Result<f64, String>;

/// Reads a line from the program while candidate `id` is open.
///
/// `{"id":7,"cost":0.42}` is a cost; `{"id":7,"cost":"failed"}`, `{"id":7,"cost":null}`, `{"id":7,"failed":true}`, a
/// bare `"failed"` and costs that are not finite (NaN and Infinity as Python and JavaScript write them too) are
/// failures, with `"reason"` if there is one. An `id` that is missing means the open candidate.
/// `None` is any other text, or an answer about another candidate.
pub(crate) fn reply(line: &[u8], id: u64) -> Option<Answer> {
    let line = line.trim_ascii();
    if matches!(line, b"failed" | b"\"failed\"") {
        return Some(Err(String::new()));
    }
    if line.first() != Some(&b'{') {
        return None;
    }
    let value = serde_json::from_slice(line)
        .or_else(|_| serde_json::from_slice(&without_infinities(line)))
        .unwrap_or(Value::Null);
    let Value::Object(fields) = value else { return None };
    match fields.get("id") {
        Some(Value::Number(found)) if found.as_u64() == Some(id) || found.as_f64() == Some(id as f64) => {}
        None if fields.contains_key("cost") || fields.contains_key("failed") => {}
        _ => return None,
    }
    let reason = match fields.get("reason") {
        Some(Value::String(reason)) => reason.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    if fields.get("failed") == Some(&Value::Bool(true)) {
        return Some(Err(reason));
    }
    Some(match fields.get("cost") {
        Some(Value::Number(cost)) => match cost.as_f64().filter(|cost| cost.is_finite()) {
            Some(cost) => Ok(cost),
            None => Err(format!("the cost is {cost}")),
        },
        Some(Value::Null) => Err(reason),
        Some(Value::String(text)) if text == "failed" => Err(reason),
        Some(Value::String(text)) if text.parse::<f64>().is_ok_and(|cost| !cost.is_finite()) => {
            Err(format!("the cost is {text}"))
        }
        Some(other) => Err(format!("expected a number as cost, found {}", cut(&other.to_string()))),
        None => Err("expected a cost in the answer, found none".into()),
    })
}

/// Whether a line that is no answer was meant to be one: an object with a cost that is no JSON, such as `{"cost":}` of a
/// script whose computation printed nothing.
pub(crate) fn is_broken_answer(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.first() == Some(&b'{')
        && line.windows(6).any(|part| part == b"\"cost\"")
        && serde_json::from_slice::<Value>(&without_infinities(line)).is_err()
}

/// Replaces bare words that JSON does not know (`NaN`, `-Infinity`, `inf`) and numbers that a float64 does not hold by
/// null.
fn without_infinities(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let (mut rest, mut text, mut escaped) = (line, false, false);
    while let Some((&byte, after)) = rest.split_first() {
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_');
        if !text && is_word(&byte) {
            let (word, after) = rest.split_at(rest.iter().position(|b| !is_word(b)).unwrap_or(rest.len()));
            let holds = serde_json::from_slice::<Value>(word).is_ok();
            out.extend_from_slice(if holds { word } else { b"null" });
            rest = after;
            continue;
        }
        match byte {
            b'"' if !escaped => text = !text,
            _ => {}
        }
        escaped = text && byte == b'\\' && !escaped;
        out.push(byte);
        rest = after;
    }
    out
}

/// At most 200 characters of a text that came from outside.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_to_answer() {
        let failed = |reason: &str| Some(Err(reason.to_owned()));
        for (line, expected) in [
            (r#"{"id":7,"cost":0.42}"#, Some(Ok(0.42))),
            (r#" {"cost": -3, "id": 7.0, "more": [1]} "#, Some(Ok(-3.0))),
            (r#"{"cost":1}"#, Some(Ok(1.0))),
            (r#"{"id":7,"cost":"failed"}"#, failed("")),
            (r#"{"id":7,"cost":"failed","reason":"did not converge"}"#, failed("did not converge")),
            (r#"{"id":7,"cost":null}"#, failed("")),
            (r#"{"id":7,"failed":true}"#, failed("")),
            (r#""failed""#, failed("")),
            ("failed", failed("")),
            (r#"{"id": 7, "cost": NaN}"#, failed("")),
            (r#"{"id":7,"cost":-Infinity}"#, failed("")),
            (r#"{"id":7,"cost":1e999}"#, failed("")),
            (r#"{"id":7,"cost":"nan"}"#, failed("the cost is nan")),
            (r#"{"id":7,"note":"a \" NaN","cost":inf}"#, failed("")),
            (r#"{"id":7,"cost":"0.4"}"#, failed("expected a number as cost, found \"0.4\"")),
            (r#"{"id":7}"#, failed("expected a cost in the answer, found none")),
            (r#"{"id":8,"cost":0.42}"#, None),
            (r#"{"id":"7","cost":0.42}"#, None),
            (r#"{"epoch":3}"#, None),
            (r#"{"id":7,"cost":0.4"#, None),
            ("0.42", None),
            ("[7,0.42]", None),
            ("", None),
            ("loss nan", None),
        ] {
            assert_eq!(reply(line.as_bytes(), 7), expected, "{line}");
        }
        assert_eq!(reply(b"\xff\xfe{", 7), None);
    }

    #[test]
    fn a_broken_answer_is_recognised() {
        assert!(is_broken_answer(br#"{"id":7,"cost":}"#) && is_broken_answer(b" {\"cost\": 1,5\n"));
        for line in [r#"{"id":8,"cost":1}"#, r#"{"id":8,"cost":NaN}"#, "the \"cost\" is {", "{", ""] {
            assert!(!is_broken_answer(line.as_bytes()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in prop::collection::vec(any::<u8>(), 0..60), id in any::<u64>()) {
            reply(&line, id);
        }

        #[test]
        fn costs_arrive_exactly(cost in any::<f64>().prop_filter("finite", |v| v.is_finite()), id in 0u64..1 << 53) {
            let line = format!("{}", serde_json::json!({ "id": id, "cost": cost }));
            prop_assert_eq!(reply(line.as_bytes(), id), Some(Ok(cost)));
        }
    }
}
