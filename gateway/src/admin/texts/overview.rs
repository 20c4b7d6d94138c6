//! The first page.

#[derive(Debug)]
pub(in crate::admin) struct Texts {
    pub(in crate::admin) title: &'static str,
    pub(in crate::admin) mappings: fn(usize) -> String,
}

pub(super) const EN: Texts = Texts {
    title: "Overview",
    mappings: |count| format!("{count} {}", if count == 1 { "mapping" } else { "mappings" }),
};

pub(super) const KO: Texts =
    Texts { title: "개요", mappings: |count| format!("매핑 {count}개") };
