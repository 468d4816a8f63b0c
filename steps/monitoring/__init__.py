"""Alert rules, scrape targets, alerts, dashboards."""
