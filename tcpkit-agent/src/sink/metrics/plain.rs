//! OpenMetrics in Prometheus's older text format (version 0.0.4), for whoever does not ask for the newer one.
//!
//! The differences: a counter's family has its suffix, information is a gauge, there are no units, no exemplars and no
//! end mark.

use std::fmt::Write as _;

/// The same metrics in the older format.
#[must_use]
pub(super) fn plain(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(words) = line.strip_prefix("# HELP ") {
            help = words.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|words| words.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, about)) = help.take() {
                push(&mut out, format_args!("# HELP {name}{suffix} {about}\n"));
            }
            push(&mut out, format_args!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            push(&mut out, format_args!("{}\n", without_exemplar(line)));
        }
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

/// An exemplar stands behind ` # `, which a label's value may have too.
fn without_exemplar(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (place, octet) in line.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return line[..place].trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_older_format_lacks_is_left_out() {
        let new = "# HELP a_bytes About a.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"\\\" # 1\"} 5\n\
                   # HELP b Info.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                   # HELP c Times.\n# TYPE c histogram\nc_bucket{le=\"1.0\"} 1 # {k=\"v\"} 0.5 17.0\nc_sum 0.5\n# EOF\n";
        let old = "# HELP a_bytes_total About a.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"\\\" # 1\"} 5\n\
                   # HELP b_info Info.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
                   # HELP c Times.\n# TYPE c histogram\nc_bucket{le=\"1.0\"} 1\nc_sum 0.5\n";
        assert_eq!(plain(new), old);
    }
}
