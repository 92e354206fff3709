//! Pages as the console writes them, and as nobody should.
use super::*;

fn page(body: &str) -> Page {
    let text = format!("<html><body>{body}</body></html>");
    Page::parse(&text, "/ServiceCenter/Here.aspx?Id=1").expect("a whole page")
}

/// Goal: a table is found by its headers wherever it stands. Method: layout tables around and
/// inside it, columns in another order, headers in cells of either kind, a message row.
#[test]
fn a_table_is_found_by_its_headers() {
    let page = page(
        "<table><tr><td>Name</td></tr><tr><td><table>\
         <tr><td>Enabled</td><th>  Name\n</th><td>Other</td></tr>\
         <tr><td><img alt='✔'></td><td><a href='A.aspx'>fe-1</a><span> (Controller)</span></td>\
         <td><table><tr><td>inner</td><td>row</td></tr></table></td></tr>\
         <tr><td colspan=3>No items to show</td></tr>\
         <tr><td></td><td>fe&#8209;2 &amp; co</td><td></td></tr>\
         </table></td></tr><tr><td>after</td><td>it</td></tr></table>",
    );
    let table = page.table(["Name", "Enabled"]).expect("the table");
    let rows: Vec<_> = table
        .rows("here")
        .map(|row| row.map(|cells| cells.map(|cell| cell.text())).expect("whole rows"))
        .collect();
    assert_eq!(rows, [["fe-1 (Controller)", "✔"], ["fe‑2 & co", ""]]);
    assert!(page.table(["Name", "Missing"]).is_none());
}

/// Goal: a row that lacks columns is an error, not a row. Method: one cell too few.
#[test]
fn a_short_row_is_an_error() {
    let page =
        page("<table><tr><th>A</th><th>B</th><th>C</th></tr><tr><td>1</td><td>2</td></tr></table>");
    let table = page.table(["A", "C"]).expect("the table");
    assert!(table.rows("here").all(|row| row.is_err()));
}

/// Goal: a form is posted as a browser would. Method: every kind of control.
#[test]
fn a_form_is_read_as_a_browser_posts_it() {
    let page = page(
        "<form action='./There.aspx?x=1&amp;y=2'><div><input type=hidden name=h value='ö +&amp;='>\
         <input name=t value=text><input type=checkbox name=c1 checked>\
         <input type=checkbox name=c2><input type=radio name=r value=1>\
         <input type=radio name=r value=2 checked><input name=gone disabled value=1>\
         <select name=s><option value=a>A<option selected>B</select>\
         <textarea name=ta>many words</textarea><input type=file name=f><input value=nameless>\
         <button name=b>Press <b>me</b></button><input type=submit name=go value=Go></form>",
    );
    let form = page.form(|form| form.button("Go").is_some()).expect("the form");
    assert_eq!(form.action, "/ServiceCenter/There.aspx?x=1&y=2");
    assert_eq!(
        form.encoded(form.button("Press me")),
        "h=%C3%B6+%2B%26%3D&t=text&c1=on&r=2&s=B&ta=many+words&b=Press+me"
    );
    assert!(page.form(|form| form.password.is_some()).is_none());
}

/// Goal: a name is found as a word only. Method: longer names that contain it.
#[test]
fn a_name_is_not_found_inside_a_longer_one() {
    for (text, found) in [
        ("fe-1 - Deployment", true),
        ("(fe-1)", true),
        ("Server fe-1.", true),
        ("fe-10 - Deployment", false),
        ("cafe-1", false),
        ("fe-1.example.org", false),
        ("fe-10, fe-1", true),
    ] {
        assert_eq!(page(&format!("<h1>{text}</h1>")).names("fe-1"), found, "{text}");
    }
}

/// Goal: links stay on the front-end that was asked. Method: every way to write one.
#[test]
fn a_link_never_leads_to_another_host() {
    for (link, path) in [
        ("There.aspx", Some("/ServiceCenter/There.aspx")),
        ("./There.aspx#top", Some("/ServiceCenter/There.aspx")),
        ("/Elsewhere/", Some("/Elsewhere/")),
        ("?Id=2", Some("/ServiceCenter/Here.aspx?Id=2")),
        (
            "https://balancer/ServiceCenter/X.aspx?u=http://y/",
            Some("/ServiceCenter/X.aspx?u=http://y/"),
        ),
        ("There.aspx?u=http://y/z", Some("/ServiceCenter/There.aspx?u=http://y/z")),
        ("http://balancer", Some("/")),
        ("//balancer/X.aspx", Some("/X.aspx")),
        ("javascript:__doPostBack('a','')", None),
        ("#", None),
    ] {
        let resolved = resolve("/ServiceCenter/Here.aspx?Id=1", link);
        assert_eq!(resolved.as_deref(), path, "{link}");
    }
}

/// Goal: a page without its end is refused whatever it shows. Method: the same page, cut.
#[test]
fn a_page_cut_short_is_refused() {
    let whole = "<html><table><tr><th>A</th></tr></table></HTML>\n<script>later()</script>";
    assert!(Page::parse(whole, "here").is_ok());
    for length in [0, 10, whole.find("</HTML").expect("its end") + 6] {
        assert!(matches!(Page::parse(&whole[..length], "here"), Err(ConsoleError::Garbled(_))));
    }
}
