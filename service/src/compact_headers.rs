//! The memory of a request's headers: actix makes room for 28 of them, 6.7 KB, and most requests have a few. What
//! waits for minutes gives the rest back.

use actix_web::http::header::HeaderMap;

/// Keeps all headers, in no more memory than they need.
pub(crate) fn compact(headers: &mut HeaderMap) {
    let kept = std::mem::take(headers);
    headers.reserve(kept.len_keys());
    for (name, value) in kept {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn nothing_is_lost() {
        for count in [0, 1, 3, 40] {
            let mut headers = HeaderMap::with_capacity(16);
            for number in 0..count {
                let name: HeaderName = format!("h-{}", number / 2).parse().unwrap();
                headers.append(name, HeaderValue::from(number));
            }
            let before = headers.clone();
            compact(&mut headers);
            let all = |headers: &HeaderMap| {
                let names = headers.keys().map(HeaderName::as_str).collect::<std::collections::BTreeSet<_>>();
                let of = |name: &str| headers.get_all(name).cloned().collect::<Vec<_>>();
                names.into_iter().map(|name| (name.to_owned(), of(name))).collect::<Vec<_>>()
            };
            assert_eq!(all(&headers), all(&before));
        }
        let mut few = HeaderMap::with_capacity(16);
        few.append("host".parse().unwrap(), HeaderValue::from(1));
        compact(&mut few);
        assert!(few.capacity() < 16, "{}", few.capacity());
    }
}
