"""Which renames end an online schema change."""

from __future__ import annotations

import pytest

from source_vitess.replication.shadow_tables import is_shadow

HEX = "6ace8bcef73211ea87e9f875a4d24e90"
UUID = "6ace8bce_f732_11ea_87e9_f875a4d24e90"
TIME = "20200915120410"
LONG = "a" * 60


@pytest.mark.parametrize(
    ("table", "shadow", "went_to"),
    [
        ("t", f"_vt_vrp_{HEX}_{TIME}_", f"_vt_vrp_{HEX}_{TIME}_"),
        ("t", f"_vt_vrp_{HEX}_{TIME}_", f"_vt_hld_{HEX}_{TIME}_"),
        ("t", f"_{UUID}_{TIME}_vrepl", f"_vt_HOLD_{HEX}_{TIME}"),
        ("t", f"_{UUID}_{TIME}_gho", f"_{UUID}_{TIME}_del"),
        ("t", "_t_gho", "_t_del"),
        ("t", "_t_gho", f"_t_{TIME}_del"),
        ("t", "_t_del", "_t_rev_del"),
        ("t", "_t_new", "_t_old"),
        ("t", "__t_new", "___t_old"),
        ("t", "_t_new", "_t_old_20261129_194501"),
        ("t", "lhmn_t", "lhma_2021_06_09_06_17_04_992_t"),
        ("a.b+c", "_a.b+c_gho", "_a.b+c_del"),
        (LONG, f"_{LONG[:59]}_gho", f"_{LONG[:59]}_del"),
        (LONG, f"_{LONG[:59]}_gho", f"_{LONG[:44]}_{TIME}_del"),
        ("b" * 56, "_" + "b" * 56 + "_new", "_" + "b" * 43 + "_old_20261129_194501"),
        (LONG, f"lhmn_{LONG}"[:64], f"lhma_2021_06_09_06_17_04_992_{LONG}"[:64]),
    ],
)
def test_shadow_tables(table: str, shadow: str, went_to: str) -> None:
    """The names that tools give, for both tables, also where they had to be cut."""
    assert is_shadow(table, shadow, went_to)


@pytest.mark.parametrize(
    ("table", "shadow", "went_to"),
    [
        ("q", "_q_import", "q_old"),
        ("q", "_q_new", "q_old"),
        ("q", "q_new", "_q_old"),
        ("q", "_q2_new", "_q_old"),
        ("q", "_q_new", "_q2_old"),
        ("q", "_q_gho", "_q_old"),
        ("q", "_q_gho", "_q_2020_del"),
        ("q", "_new", "_old"),
        ("q", "lhmn_q", "lhma_1_q"),
        ("q", f"_vt_vrp_{HEX}_{TIME}_", "q_old"),
        ("q", f"_vt_hld_{HEX}_{TIME}_", f"_vt_hld_{HEX}_{TIME}_"),
        ("q", "_vt_vrp_1", "_vt_hld_1"),
        ("q", "_vt_import", "_vt_old"),
        ("a.b", "_aXb_gho", "_aXb_del"),
        (LONG, f"_{LONG[:30]}_gho", f"_{LONG[:30]}_del"),
    ],
)
def test_other_tables(table: str, shadow: str, went_to: str) -> None:
    """A name that only begins so, or is another table's: the rows are others."""
    assert not is_shadow(table, shadow, went_to)
