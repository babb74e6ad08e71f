//! ifupdown.
use super::*;
/// One implementation of ifupdown.
pub struct Ifupdown {
    name: &'static str,
}
/// Debian's.
pub static IFUPDOWN: Ifupdown = Ifupdown { name: "ifupdown" };
/// Cumulus'.
pub static IFUPDOWN2: Ifupdown = Ifupdown { name: "ifupdown2" };
/// Alpine's.
pub static IFUPDOWN_NG: Ifupdown = Ifupdown { name: "ifupdown-ng" };
/// BusyBox'.
pub static BUSYBOX: Ifupdown = Ifupdown { name: "busybox" };
impl Backend for Ifupdown {
    fn name(&self) -> &'static str {
        self.name
    }
    fn detect(&self, _: &Root) -> Result<Stance> {
        Ok(Stance::NotInCharge("not yet".into()))
    }
    fn entries(&self, _: &Root) -> Result<Vec<Entry>> {
        Ok(vec![])
    }
    fn add(&self, _: &Root, _: &[Alias], _: &Situation) -> Result<Plan> {
        Ok(Plan::nothing())
    }
    fn remove(&self, _: &Root, _: &[Entry]) -> Result<Plan> {
        Ok(Plan::nothing())
    }
}
