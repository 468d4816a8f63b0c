"""The pages of the web application as people find them: by role and accessible name, never by markup.

What a page must have and has not is a WrongPage, with the page and what is missing. The names are part
of docs/platform-contract.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import probes
from smoke.journey import BOOKING_AHEAD, Patient

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_STEP_SECONDS: Final = 8.0
UNREACHABLE: Final = "The service is unreachable. Try again in a few minutes."
EXPIRED: Final = "Your session has expired. Sign in again."
DECLINED: Final = "Your card was declined. Choose another way to pay."
_ERRORS: Final = (UNREACHABLE, EXPIRED, DECLINED)


class Pages:
    """The pages of one site in one tab; anything on them may take `step_seconds` to be there."""

    def __init__(self, page: Page, site: str, *, step_seconds: float = _STEP_SECONDS) -> None:
        self.page, self.site = page, site
        self._place = "the page"
        page.set_default_timeout(step_seconds * 1000)

    def go(self, path: str) -> None:
        """Load an address of the site anew."""
        self.page.goto(f"{self.site}{path}")
        self.ready()

    def ready(self) -> None:
        """Wait until the page shows its data, or says why there is none."""
        with self.finding("its data (body[data-ready])"):
            self.page.locator("body[data-ready=true]").wait_for()

    def heading(self, name: str) -> None:
        """Wait for the page with this heading, once it is ready."""
        with self.finding(f"the heading “{name}”"):
            self.page.get_by_role("heading", name=name, exact=True).wait_for()
        self._place = f"“{name}”"
        self.ready()

    def said(self, role: str, text: str) -> None:
        """Wait for what the page says to people who do not look at it."""
        with self.finding(f"the {role} “{text}”"):
            self.page.get_by_role(role).filter(has_text=text).wait_for()  # type: ignore[arg-type]  # `status` or `alert`

    def button(self, name: str) -> Locator:
        """Return a button."""
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        """Return a link."""
        return self.page.get_by_role("link", name=name, exact=True)

    def address(self, name: str) -> str:
        """Return where a link of the site leads."""
        with self.finding(f"the link “{name}”"):
            return f"/{self.link(name).get_attribute('href')}"

    def press(self, name: str) -> None:
        """Press a button."""
        with self.finding(f"the button “{name}”"):
            self.button(name).click()

    def follow(self, name: str) -> None:
        """Follow a link."""
        with self.finding(f"the link “{name}”"):
            self.link(name).click()

    def fill(self, patient: Patient) -> None:
        """Type in who the patient is."""
        typed = {
            "E-mail address": patient.email,
            "Password": patient.password.get_secret_value(),
        }
        for name, text in typed.items():
            with self.finding(f"the field “{name}”"):
                self.page.get_by_role("textbox", name=name, exact=True).fill(text)

    def choose(self, group: str, value: str | None = None) -> None:
        """Choose one of a group's radio buttons: that with a value, or the last."""
        with self.finding(f"a choice of “{group}”"):
            found = self.page.get_by_role("radiogroup", name=group, exact=True)
            one = found.get_by_role("radio")
            (one.and_(found.locator(f"[value='{value}']")) if value else one.last).check()

    def select(self, name: str, value: str | None = None) -> None:
        """Choose one of a list: that with a value, or the first that is one."""
        with self.finding(f"a choice of “{name}”"):
            found = self.page.get_by_role("combobox", name=name, exact=True)
            found.select_option(**({"value": value} if value else {"index": 1}))

    @contextlib.contextmanager
    def finding(self, what: str) -> Iterator[None]:
        """Say what is missing, and where, if it does not come in time or can't be told from others."""
        try:
            yield
        except probes.browser.LateError:
            sentence = f"{what} is missing, hidden or can't be used"
            raise self.wrong(sentence + self._excuse()) from None
        except probes.browser.PlaywrightError as exc:
            if "strict mode violation" not in str(exc):
                raise
            raise self.wrong(f"{what} is there more than once") from None

    def _excuse(self) -> str:
        """Return which of the errors that are agreed upon the page shows."""
        alerts = self.page.get_by_role("alert")
        shown = [one for one in _ERRORS if alerts.filter(has_text=one).count()]
        return f"; the page says “{shown[0]}”" if shown else ""

    def wrong(self, sentence: str) -> probes.browser.WrongPage:
        """Return what to raise of a page that is not as it should be."""
        return probes.browser.WrongPage(f"{self._place}: {sentence}")

    def register(self, patient: Patient) -> None:
        """Make an account, which signs in too."""
        self.go("/#/register")
        self.heading("Create your account")
        self.fill(patient)
        self.press("Create account")
        self.heading("Your appointments")

    def sign_in(self, patient: Patient) -> None:
        """Sign in."""
        self.heading("Sign in")
        self.fill(patient)
        self.press("Sign in")
        self.heading("Your appointments")

    def sign_out(self) -> None:
        """Sign out."""
        self.press("Sign out")
        self.heading("Sign in")

    def book(self, form: str, provider_id: str) -> None:
        """Book an appointment a week from now, with the old or the new form."""
        self.go(f"/?new_appointment_ui={'true' if form == 'new' else 'false'}#/book")
        self.heading("Book an appointment")
        with self.finding(f"the {form} form (main[data-ui])"):
            self.page.locator(f"main[data-ui={form}]").wait_for()
        {"old": self._book_old, "new": self._book_new}[form](provider_id)
        self.said("status", "Appointment booked")

    def _book_old(self, provider_id: str) -> None:
        self.select("Provider", provider_id)
        with self.finding("the field “Date”"):
            day = dt.datetime.now(dt.UTC) + BOOKING_AHEAD
            self.page.get_by_label("Date", exact=True).fill(day.date().isoformat())
        self.select("Time")
        self.press("Book")

    def _book_new(self, provider_id: str) -> None:
        self.choose("Provider", provider_id)
        self.choose("Day")
        self.choose("Time")
        self.press("Continue")
        with self.finding("the dialog “Confirm your appointment”"):
            self.page.get_by_role("dialog", name="Confirm your appointment").wait_for()
        self.press("Confirm")

    def pay(self) -> None:
        """Go on from a booking to its payment, and press Pay."""
        self.follow("Pay now")
        self.heading("Pay for your appointment")
        self.press("Pay")

    def join(self) -> None:
        """Go on to the video lobby and join the call."""
        self.follow("Video lobby")
        self.heading("Video lobby")
        self.press("Join the call")
        self.said("status", "The call is ready")
