//! Databases of beats that are laid out as MIT-BIH Arrhythmia: what is known of each, as a table.

use serde::{Deserialize, Serialize};

/// Stands in `leads` for the first channel that is not named there.
pub(super) const OTHER: &str = "other";

/// Which database of beats a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// MIT-BIH Arrhythmia Database.
    Mitdb,
    /// MIT-BIH Supraventricular Arrhythmia Database.
    Svdb,
    /// Any other whose annotations are beats: rate and leads are keys, a record is a person.
    Other,
}

/// What is known of a database.
#[derive(Debug)]
pub(super) struct Facts {
    /// The word in pipelines.
    pub(super) name: &'static str,
    /// Its records; empty: any.
    pub(super) records: &'static [&'static str],
    /// Its records in words.
    pub(super) pattern: &'static str,
    /// Samples per second; `None`: only its owner knows.
    pub(super) rate_hz: Option<f64>,
    /// Leads to store.
    pub(super) leads: &'static [&'static str],
    /// Records left out, and why.
    pub(super) exclude: &'static [(&'static str, &'static str)],
    /// Records of a person whose subject id is another record's name. All others are a person each.
    pub(super) same_person: &'static [(&'static str, &'static str)],
}

impl Database {
    /// Whether it has a record of that name; `other` has any.
    pub fn has(self, record: &str) -> bool {
        let records = self.facts().records;
        records.is_empty() || records.contains(&record)
    }

    /// What is known of it.
    ///
    /// # Source
    /// `moody2001mitbih` (201 and 202: one person; paced: 102, 104, 107, 217), `greenwald1990svdb`.
    pub(super) fn facts(self) -> &'static Facts {
        match self {
            Self::Mitdb => &MITDB,
            Self::Svdb => &SVDB,
            Self::Other => &ANY,
        }
    }
}

static MITDB: Facts = Facts {
    name: "mitdb",
    records: &[
        "100", "101", "102", "103", "104", "105", "106", "107", "108", "109", "111", "112", "113", "114", "115", "116",
        "117", "118", "119", "121", "122", "123", "124", "200", "201", "202", "203", "205", "207", "208", "209", "210",
        "212", "213", "214", "215", "217", "219", "220", "221", "222", "223", "228", "230", "231", "232", "233", "234",
    ],
    pattern: "100.hea to 234.hea, the names of its 48 records",
    rate_hz: Some(360.0),
    leads: &["MLII", OTHER],
    exclude: &[("102", "paced"), ("104", "paced"), ("107", "paced"), ("217", "paced")],
    same_person: &[("202", "201")],
};

static SVDB: Facts = Facts {
    name: "svdb",
    records: &[
        "800", "801", "802", "803", "804", "805", "806", "807", "808", "809", "810", "811", "812", "820", "821", "822",
        "823", "824", "825", "826", "827", "828", "829", "840", "841", "842", "843", "844", "845", "846", "847", "848",
        "849", "850", "851", "852", "853", "854", "855", "856", "857", "858", "859", "860", "861", "862", "863", "864",
        "865", "866", "867", "868", "869", "870", "871", "872", "873", "874", "875", "876", "877", "878", "879", "880",
        "881", "882", "883", "884", "885", "886", "887", "888", "889", "890", "891", "892", "893", "894",
    ],
    pattern: "800.hea to 894.hea, the names of its 78 records",
    rate_hz: Some(128.0),
    leads: &["ECG1", "ECG2"],
    exclude: &[],
    same_person: &[],
};

static ANY: Facts = Facts {
    name: "other",
    records: &[],
    pattern: "RECORD.hea, each a person",
    rate_hz: None,
    leads: &[],
    exclude: &[],
    same_person: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_have_as_many_records_as_they_say() {
        for (database, n_records) in [(Database::Mitdb, 48), (Database::Svdb, 78), (Database::Other, 0)] {
            let facts = database.facts();
            assert_eq!(facts.records.len(), n_records, "{}", facts.name);
            assert!(facts.records.windows(2).all(|pair| pair[0] < pair[1]));
            let named =
                facts.exclude.iter().map(|(record, _)| record).chain(facts.same_person.iter().map(|(it, _)| it));
            assert!(named.into_iter().all(|record| facts.records.contains(record)));
        }
    }
}
