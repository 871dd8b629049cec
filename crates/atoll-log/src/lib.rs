//! atoll-log
