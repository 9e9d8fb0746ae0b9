"""Holds pages against what they promise, in a real browser.

Reads a list of jobs as JSON from standard input: {"page": FILE, "check": NAME, "shots": PREFIX, ...}; prints a list with
the problems of each, and what was measured. A problem is a sentence; a page without any keeps its promises.
"""

import json
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}
LOOKS = [("light", "light", WIDE), ("dark", "dark", WIDE), ("narrow", "light", NARROW)]


class Visit:
    """A page in a browser that notes whatever it should not do."""

    def __init__(self, browser, path, scheme="light", size=WIDE, anchor=""):
        self.problems = []
        self.url = Path(path).resolve().as_uri()
        self.allowed = {self.url}
        self.context = browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("request", self.requested)
        self.page.on("console", self.said)
        self.page.on("pageerror", lambda error: self.problem(f"the script failed: {error}"))
        self.page.goto(self.url + anchor)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def problem(self, text):
        self.problems.append(text)

    def requested(self, request):
        if request.url.split("#")[0] not in self.allowed:
            self.problem(f"it asked for {request.url}")

    def said(self, message):
        if message.type in ("error", "warning"):
            self.problem(f"the console says: {message.text}")

    def expect(self, good, text):
        if not good:
            self.problem(text)

    def options(self, name):
        return self.page.locator(f"#{name}-list [role=option]")

    def status(self, name):
        """How many there are of how many."""
        words = self.page.locator(f"#{name}-status").inner_text().split()
        return int(words[0]), int(words[2])

    def chosen(self, name):
        return self.page.locator(f"#{name}-list [role=option][aria-selected=true]")

    def facts_of_chosen(self, name):
        """The place and the id of what is chosen, if anything is."""
        chosen = self.chosen(name)
        return [chosen.get_attribute(fact) if chosen.count() else None for fact in ("aria-posinset", "id")]

    def focused(self):
        return self.page.evaluate("document.activeElement.id")

    def tab_to(self, selector, most=150):
        """Goes to an element by the keyboard alone."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("(it) => document.activeElement.matches(it)", selector):
                return True
        self.problem(f"the keyboard does not reach {selector}")
        return False

    def axe(self, what):
        for found in Axe().run(self.page).response["violations"]:
            places = ", ".join(" ".join(node["target"]) for node in found["nodes"][:3])
            self.problem(f"{what}: axe says {found['id']}: {found['help']} ({places})")

    def fits(self, what):
        over = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.expect(over <= 0, f"{what}: it is {over} pixels too wide")


def looks(browser, job, problems):
    """It is right for the eye and for a screen reader in each look."""
    for name, scheme, size in job.get("looks", LOOKS):
        with Visit(browser, job["page"], scheme, size) as visit:
            page = visit.page
            if job.get("shots"):
                page.screenshot(path=f"{job['shots']}{name}.png")
            if page.locator("#lanes").count():
                attempt(visit, opened, job, name)
            visit.axe(name)
            visit.fits(name)
            problems += visit.problems


def opened(visit, job, name):
    """Whatever can be opened is."""
    page = visit.page
    page.locator("#lanes summary").click()
    for part in ("timeline", "decisions", "log"):
        page.locator(f"#{part}-list").scroll_into_view_if_needed()
        visit.options(part).nth(1).click()
        if job.get("shots"):
            page.locator(f"#{part}-list").evaluate("it => it.closest('section').scrollIntoView()")
            page.screenshot(path=f"{job['shots']}{name}-{part}.png")


def timeline_by_click(visit):
    page = visit.page
    visit.options("timeline").nth(2).click()
    title = visit.chosen("timeline").locator(".what").inner_text()
    visit.expect(page.locator("#timeline-detail h3").inner_text() in title, "a click on a row does not show it")
    page.locator("#lanes summary").click()
    page.get_by_role("button", name="None", exact=True).click()
    visit.expect(visit.status("timeline")[0] == 0, "without a lane there are rows")
    page.get_by_label("API calls").check()
    count, whole = visit.status("timeline")
    lanes = set(visit.options("timeline").locator(".lane").all_inner_texts())
    visit.expect(0 < count < whole and lanes == {"API calls"}, f"the lane API calls shows {count} rows of {lanes}")
    page.get_by_role("button", name="Fit", exact=True).click()
    visit.expect(visit.status("timeline")[0] == count, "what fits is not all there")
    visit.expect(int(page.locator("#zoom-from").input_value()) > 0, "to fit changes no range")
    page.get_by_role("button", name="Whole run").click()
    page.get_by_role("button", name="All", exact=True).click()
    visit.expect(visit.status("timeline") == (whole, whole), "with all lanes rows are missing")


def timeline_by_keyboard(visit):
    page = visit.page
    if not visit.tab_to("#timeline-search"):
        return
    before, whole = visit.status("timeline")
    page.keyboard.type("getsecretvalue")
    count, _ = visit.status("timeline")
    texts = visit.options("timeline").all_inner_texts()
    good = 0 < count < before and all("getsecretvalue" in text.lower() for text in texts)
    visit.expect(good, f"the search leaves {count} of {before} rows: {texts[:3]}")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    visit.tab_to("#lanes summary")
    page.keyboard.press("Enter")
    if visit.tab_to("#lanes input"):
        page.keyboard.press("Space")
        visit.expect(visit.status("timeline")[0] < whole, "a lane can't be taken away by the keyboard")
        page.keyboard.press("Space")
    if visit.tab_to("#zoom-from"):
        page.keyboard.press("End")
        visit.expect(visit.status("timeline")[0] < whole, "the range can't be changed by the keyboard")
        page.keyboard.press("Home")
    if not visit.tab_to("#timeline-list"):
        return
    for key, number in [("ArrowDown", 1), ("ArrowDown", 2), ("End", whole), ("ArrowUp", whole - 1), ("Home", 1)]:
        page.keyboard.press(key)
        at, name = visit.facts_of_chosen("timeline")
        visit.expect(at == str(number), f"{key} chooses row {at} and not {number}")
        active = page.locator("#timeline-list").get_attribute("aria-activedescendant")
        visit.expect(active and active == name, f"after {key} a screen reader hears {active} and not {name}")
    page.keyboard.press("Enter")
    visit.expect(visit.focused() == "timeline-detail", "Enter does not go to the details")
    page.keyboard.press("Escape")
    visit.expect(visit.focused() == "timeline-list", "Escape does not go back to the list")


def places(visit, wanted):
    """Each finding leads to what shows it, by a click and by the keyboard."""
    page = visit.page
    links = page.locator("#findings .where a")
    visit.expect(links.count() >= len(wanted), f"{links.count()} places are named")
    seen = []
    for index in range(links.count()):
        way = links.nth(index)
        if index % 2:
            way.focus()
            page.keyboard.press("Enter")
        else:
            way.click()
        anchor = way.get_attribute("href")
        page.wait_for_function("hash => location.hash === hash", arg=anchor)
        part = "log" if "-L" in anchor else "timeline" if anchor.startswith("#row-") else None
        if part is None:
            there = page.locator(f"[id='{anchor[1:]}']")
        else:
            there = visit.chosen(part)
            visit.expect(visit.focused() == f"{part}-list", f"{anchor} leaves the focus at {visit.focused()}")
        if there.count() != 1:
            visit.problem(f"the place {anchor} is not there")
            continue
        box, height = there.bounding_box(), page.viewport_size["height"]
        visit.expect(box["y"] < height and box["y"] + box["height"] > 0, f"{anchor} is not in view")
        seen.append(there.inner_text())
    for text in wanted:
        visit.expect(any(text in one for one in seen), f"no place shows `{text}`")


def log(visit, job):
    page = visit.page
    page.locator("#log-list").scroll_into_view_if_needed()
    page.locator("#log-name").select_option(job["log"])
    page.wait_for_selector("#log-list [role=option]")
    whole = visit.status("log")[1]
    page.locator("#log-search").fill(job["search"])
    count, _ = visit.status("log")
    marks = visit.options("log").filter(has=page.locator("mark")).count()
    visit.expect(count == job["hits"], f"the search for `{job['search']}` finds {count} lines and not {job['hits']}")
    visit.expect(0 < marks == visit.options("log").count(), "what was searched is not marked")
    page.locator("#log-search").fill("")
    page.locator("#log-source").select_option(label="stderr")
    errors = visit.status("log")[0]
    visit.expect(0 < errors < whole, f"the source stderr has {errors} of {whole} lines")
    page.locator("#log-source").select_option(label="all")
    page.locator("#log-level").select_option(label="WARN and above")
    warned = visit.status("log")[0]
    visit.expect(0 < warned < whole, f"the level WARN has {warned} of {whole} lines")
    page.locator("#log-level").select_option(label="all")
    visit.expect(visit.status("log") == (whole, whole), "without a filter lines are missing")


def decisions(visit):
    page = visit.page
    page.locator("#decisions-search").fill("GetSecretValue")
    visit.options("decisions").first.click()
    marked = page.locator("#decisions-detail pre.policy mark")
    there = marked.count() == 1 and "secretsmanager:GetSecretValue" in marked.inner_text()
    visit.expect(there, "the statement that decided is not marked in its policy")
    whole = page.locator("#decisions-detail pre.policy").inner_text() if there else ""
    visit.expect('"Version"' in whole, "the rest of the policy is not there")
    page.locator("#decisions-detail").get_by_text("in the timeline").click()
    visit.expect("GetSecretValue" in visit.chosen("timeline").inner_text(), "a decision does not lead to its call")


def address(visit):
    number = visit.chosen("log").locator(".number").inner_text()
    visit.expect(number == "5", f"a link to line 5 leads to line {number}")


def report(browser, job, measured):
    problems = []
    parts = {
        "looks": lambda: looks(browser, job, problems),
        "click": lambda: visited(timeline_by_click),
        "keyboard": lambda: visited(timeline_by_keyboard),
        "decisions": lambda: visited(decisions),
        "places": lambda: visited(places, job.get("places", [])),
        "log": lambda: visited(log, job),
        "address": lambda: visited(address, anchor="#core-L5"),
    }

    def visited(part, *arguments, anchor=""):
        with Visit(browser, job["page"], anchor=anchor) as visit:
            attempt(visit, part, *arguments)
            problems.extend(visit.problems)

    for part in job.get("parts", parts):
        parts[part]()
    return problems


def attempt(visit, part, *arguments):
    """A part that can't be carried out is a problem, too."""
    try:
        part(visit, *arguments)
    except Exception as error:
        visit.problem(f"{getattr(part, '__name__', 'part')}: {str(error).splitlines()[0]}")


def matrix(browser, job, measured):
    problems = []
    looks(browser, job, problems)
    with Visit(browser, job["page"]) as visit:
        page = visit.page
        shown = page.locator("tbody tr:visible")
        visit.expect(shown.count() == job["rows"], f"{shown.count()} rows are shown and not {job['rows']}")
        verdict = job["verdict"]
        page.locator("#matrix-verdict").select_option(verdict)
        visit.expect(shown.count() == job["chosen"], f"{shown.count()} rows {verdict} and not {job['chosen']}")
        page.locator("#matrix-verdict").select_option("")
        visit.tab_to("#matrix-search")
        page.keyboard.type(job["search"])
        visit.expect(shown.count() == 1, f"`{job['search']}` leaves {shown.count()} rows")
        told = page.locator("#matrix-status").inner_text()
        visit.expect(told == f"1 of {job['rows']} scenarios", f"it tells `{told}`")
        visit.tab_to("tbody a")
        visit.allowed.add(page.evaluate("document.activeElement.href"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/report.html")
        visit.expect(page.locator("header .verdict").count() == 1, "the link does not lead to a report")
        problems += visit.problems
    return problems


def big(browser, job, measured):
    """It opens at once, however much there is."""
    with Visit(browser, job["page"]) as visit:
        page = visit.page
        times = page.evaluate("""() => {
            const [way] = performance.getEntriesByType("navigation");
            const paints = performance.getEntriesByType("paint").map((paint) => paint.startTime);
            return { loaded: way.loadEventEnd, painted: Math.max(...paints) };
        }""")
        measured.update(times)
        opened = max(times.values())
        visit.expect(0 < opened < job["limit"], f"it opens in {opened:.0f} ms")
        attempt(visit, scrolls, job, measured)
        return visit.problems


def scrolls(visit, job, measured):
    page = visit.page
    page.locator("#log-list").scroll_into_view_if_needed()
    page.wait_for_selector("#log-list [role=option]")
    page.locator("#log-list").focus()
    page.keyboard.press("End")
    last = visit.chosen("log").locator(".number").inner_text()
    visit.expect(last == str(job["lines"]), f"the last line is {last} and not {job['lines']}")
    drawn = page.locator("[role=option]").count()
    visit.expect(drawn < 400, f"{drawn} lines and rows are in the document")
    measured["searched"] = page.evaluate("""(text) => {
        const [search, began] = [document.getElementById("log-search"), performance.now()];
        search.value = text;
        search.dispatchEvent(new Event("input"));
        return performance.now() - began;
    }""", job["search"])
    visit.expect(visit.status("log")[0] == 1, f"the search finds {visit.status('log')[0]} lines")


def main():
    chromium, checks = sys.argv[1], {"report": report, "matrix": matrix, "big": big}
    results = []
    with sync_playwright() as playwright:
        # A container has no user namespaces for the sandbox; these pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for job in json.load(sys.stdin):
            measured = {}
            problems = checks[job["check"]](browser, job, measured)
            results.append({"problems": list(dict.fromkeys(problems)), "measured": measured})
        browser.close()
    json.dump(results, sys.stdout)


main()
