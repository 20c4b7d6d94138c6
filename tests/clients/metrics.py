"""Reads /metrics with Prometheus's own parsers, as a scraper would, and compares what is there with
the papers that name it: metrics.py URL [complete].

Complete: the gateway has done everything that is counted, so each row of docs/metrics.md is there,
and so is each metric of the dashboard and of the alerts."""

import json
import re
import sys
import urllib.request
from pathlib import Path

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as classic

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
DOCS = Path(__file__).parents[2] / "docs"
LABEL = re.compile(r"`([a-z]+)`")
NAME = re.compile(r"\b(?:karin|process)_[a-z0-9_]+\b")


def fetch(url, accept):
    request = urllib.request.Request(url + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"] == accept, answer.headers["Content-Type"]
        return answer.read().decode()


def check(families):
    """The families by name; each with help, a type, and no sample twice."""
    by_name, seen = {}, set()
    for family in families:
        assert family.name not in by_name, f"{family.name} comes twice"
        assert family.documentation, f"{family.name} has no help"
        assert family.type not in ("unknown", "untyped"), f"{family.name} has no type"
        by_name[family.name] = family
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in seen, f"{key} comes twice"
            seen.add(key)
    return by_name


def shown(family):
    """A family's name as queries write it."""
    return family.name + ("_total" if family.type == "counter" else "")


def documented():
    """(name, type, labels) of each row of the tables."""
    rows = set()
    for line in (DOCS / "metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 3 and NAME.fullmatch(cells[0].strip("`")):
            labels = frozenset(LABEL.findall(cells[2]))
            rows.add((cells[0].strip("`"), cells[1], labels))
    return rows


def labels_of(family):
    labels = {name for sample in family.samples for name in sample.labels}
    return frozenset(labels - {"le"})


def used():
    """Where each metric is used: in the dashboard and in the alerts."""
    dashboard = json.loads((DOCS / "grafana" / "karin.json").read_text())
    queries = [
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(queries) >= 15, queries
    queries += [variable["query"]["query"] for variable in dashboard["templating"]["list"]
                if variable["type"] == "query"]
    alerts = yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["alert"] and rule["annotations"]["summary"], rule
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
    assert len(rules) >= 7, rules
    queries += [rule["expr"] for rule in rules]
    return {name for query in queries for name in NAME.findall(query)}


def main(url, complete):
    in_classic = check(classic(fetch(url, CLASSIC)))
    in_open = check(open_metrics(fetch(url, OPEN_METRICS)))
    names = {shown(family) for family in in_classic.values()}
    assert names == {shown(family) for family in in_open.values()}, names
    for family in in_classic.values():
        # Both formats describe the same thing.
        assert in_open[family.name].documentation == family.documentation
    rows = documented()
    missing = names - {name for name, _, _ in rows}
    assert not missing, f"not in docs/metrics.md: {missing}"
    if not complete:
        return
    there = {
        (shown(family), family.type, labels_of(family))
        for family in in_classic.values()
        if family.samples
    }
    assert there == rows, f"only there: {there - rows}; only in the docs: {rows - there}"
    samples = {sample.name for family in in_classic.values() for sample in family.samples}
    unknown = used() - samples
    assert not unknown, f"used, and not there: {unknown}"


main(sys.argv[1], sys.argv[2:] == ["complete"])
print("ok")
