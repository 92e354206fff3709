//! `GetPlatformInfo`, the one thing the console says without a login and in a documented form.
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{ConsoleError, PlatformInfo};

/// The request.
pub(super) const GET_PLATFORM_INFO: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" "#,
    r#"xmlns:out="http://www.outsystems.com"><soapenv:Header/><soapenv:Body>"#,
    r#"<out:GetPlatformInfo/></soapenv:Body></soapenv:Envelope>"#
);

/// Its `SOAPAction`.
pub(super) const ACTION: &str = "\"http://www.outsystems.com/GetPlatformInfo\"";

/// Reads the answer's envelope. Prefixes are the server's choice, so names are compared without.
pub(super) fn platform_info(xml: &str, place: &str) -> Result<PlatformInfo, ConsoleError> {
    let garbled = |what: String| ConsoleError::Garbled(format!("{place}: {what}"));
    let mut reader = Reader::from_str(xml);
    let mut inside: Option<String> = None;
    let (mut version, mut serial, mut fault) = (None, None, None);
    let mut depth = 0u32;
    loop {
        match reader.read_event() {
            Err(error) => return Err(garbled(format!("no XML: {error}"))),
            // A torn answer may end in the middle of a version, which is another version.
            Ok(Event::Eof) if depth > 0 => return Err(garbled("the answer is cut short".into())),
            Ok(Event::Eof) => break,
            Ok(Event::Start(element)) => {
                depth += 1;
                let name = element.local_name();
                inside = Some(name.as_ref().to_owned());
            }
            Ok(Event::Text(text)) => {
                let slot = match inside.as_deref() {
                    Some("Version") => &mut version,
                    Some("Serial") => &mut serial,
                    Some("faultstring" | "Text") => &mut fault,
                    _ => continue,
                };
                slot.get_or_insert_with(String::new).push_str(text.xml10_content().trim());
            }
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                inside = None;
            }
            Ok(_) => {}
        }
    }
    if let Some(fault) = fault {
        return Err(garbled(format!("fault: {fault}")));
    }
    let version = version.ok_or_else(|| garbled("no <Version> in the answer".into()))?;
    let version = version.parse().map_err(garbled)?;
    Ok(PlatformInfo { version, serial: serial.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: both shapes seen in the wild are read. Method: the documented answer, and one with
    /// other prefixes and a declaration.
    #[test]
    fn an_answer_is_read_whatever_its_prefixes() {
        for (open, close) in [
            (
                "<GetPlatformInfoResponse xmlns=\"http://www.outsystems.com\">",
                "</GetPlatformInfoResponse>",
            ),
            ("<a:GetPlatformInfoResponse>", "</a:GetPlatformInfoResponse>"),
        ] {
            let xml = format!(
                "<?xml version=\"1.0\"?><s:Envelope><s:Body>{open}<Version>11.23.0.12345</Version>\
                 <Serial>ABCD EFGH</Serial>{close}</s:Body></s:Envelope>"
            );
            let info = platform_info(&xml, "here").expect("an answer");
            assert_eq!(info.version.to_string(), "11.23.0.12345");
            assert_eq!(info.serial, "ABCD EFGH");
        }
    }

    /// Goal: a fault, a page and a torn answer are errors that say so. Method: one of each.
    #[test]
    fn what_is_no_answer_is_an_error() {
        for (xml, words) in [
            ("<s:Fault><faultstring>Busy</faultstring></s:Fault>", "fault: Busy"),
            ("<html><body>It works</body></html>", "no <Version>"),
            ("<Version>eleven</Version>", "`eleven` is not a version"),
            ("<s:Envelope><Version>11.2", "cut short"),
            ("<a></b>", "no XML"),
        ] {
            match platform_info(xml, "here") {
                Err(ConsoleError::Garbled(what)) => assert!(what.contains(words), "{what}"),
                other => panic!("{xml}: {other:?}"),
            }
        }
    }
}
