"""A patient who has no mouse books, pays and joins: nothing but keys, from the first page on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import probes
from smoke.examined import Typed

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from probes.browser.accessibility import Round
    from smoke.journey import Patient
    from smoke.pages import Pages

_MOST_ARROWS = 50
_WATCH = """one => {
    window.__pressed = false;
    one.addEventListener("click", () => { window.__pressed = true; }, {once: true, capture: true});
}"""


class _MouseOnlyError(Exception):
    """What the mouse can do and the keyboard can't; the text is a sentence."""


def book(pages: Pages, patient: Patient, provider_id: str) -> Typed:
    """Register, book with the new form, pay and join; every page is gone through with Tab as well."""
    typist = _Typist(pages)
    wrong = broke = ""
    try:
        typist.registers(patient)
        typist.books(provider_id)
        typist.pays_and_joins()
    except (probes.keyboard.NotReachedError, _MouseOnlyError) as exc:
        wrong = str(exc)
    except probes.browser.WrongPage as exc:
        broke = str(exc)
    except probes.browser.LateError:
        broke = "a page did not come to rest in time"
    return Typed(typist.rounds, typist.dialog, wrong, broke)


class _Typist:
    """Goes from page to page, and keeps what was found until it can go no further."""

    def __init__(self, pages: Pages) -> None:
        self.rounds: dict[str, Round] = {}
        self.dialog: dict[str, bool] = {}
        self._pages, self._page = pages, pages.page
        self._paper = self._page.context.new_page()
        self._page.bring_to_front()

    def registers(self, patient: Patient) -> None:
        """Make an account."""
        self._pages.go("/?new_appointment_ui=true#/register")
        self._goes_round("register")
        password = patient.password.get_secret_value()
        for name, text in (("E-mail address", patient.email), ("Password", password)):
            field = self._page.get_by_role("textbox", name=name, exact=True)
            with self._pages.finding(f"the field “{name}”"):
                field.wait_for()
            probes.keyboard.tab_to(self._page, field, f"textbox “{name}”")
            self._page.keyboard.insert_text(text)
        self._presses("button", "Create account", self._heading("Your appointments"))

    def books(self, provider_id: str) -> None:
        """Choose provider, day and time; leave the dialog once, and confirm in it then."""
        self._goes_round("dashboard")
        self._presses("link", "Book an appointment", self._heading("Book an appointment"))
        self._goes_round("new booking form")
        for name, value in (("Provider", provider_id), ("Day", None), ("Time", None)):
            self._chooses(name, value)
        opened = self._page.get_by_role("dialog", name="Confirm your appointment")
        self._presses("button", "Continue", opened)
        self._leaves(opened)
        self._presses("button", "Continue", opened)
        self._presses("button", "Confirm", self._status("Appointment booked"))
        self._goes_round("booked")

    def pays_and_joins(self) -> None:
        """Pay, and join the call."""
        self._presses("link", "Pay now", self._heading("Pay for your appointment"))
        self._goes_round("payment")
        self._presses("button", "Pay", self._status("Payment received"))
        self._presses("link", "Video lobby", self._heading("Video lobby"))
        self._goes_round("video lobby")
        self._presses("button", "Join the call", self._status("The call is ready"))

    def _chooses(self, name: str, value: str | None) -> None:
        """Choose one of a group, and go on to that with a value: nobody else may be booked."""
        group = self._page.get_by_role("radiogroup", name=name, exact=True)
        with self._pages.finding(f"the group “{name}”"):
            group.wait_for()
        probes.keyboard.tab_to(self._page, group, f"radiogroup “{name}”")
        self._page.keyboard.press("Space")
        chosen = group.get_by_role("radio", checked=True)
        if not chosen.count():
            raise _MouseOnlyError(f"Space chooses nothing in the radiogroup “{name}”")
        for _ in range(_MOST_ARROWS):
            if value in (None, chosen.input_value()):
                return
            self._page.keyboard.press("ArrowDown")
        raise self._pages.wrong(f"the wanted choice of “{name}” is missing")

    def _leaves(self, opened: Locator) -> None:
        """Leave the dialog with Escape, having gone through it."""
        self.dialog["take the focus when it opens"] = probes.keyboard.has_focus(opened)
        self._goes_round("booking dialog")
        self._page.keyboard.press("Escape")
        closed = _comes(opened, "hidden")
        self.dialog["close with Escape"] = closed
        if not closed:
            raise _MouseOnlyError("Escape does not close the dialog")
        back = probes.keyboard.has_focus(self._pages.button("Continue"))
        self.dialog["give the focus back when it closes"] = back

    def _goes_round(self, name: str) -> None:
        self._pages.ready()
        self.rounds[name] = probes.keyboard.round_trip(self._page, self._paper)

    def _presses(self, role: Literal["button", "link"], name: str, then: Locator) -> None:
        """Come to a control and press Enter; what only a click does is the keyboard's finding."""
        control = self._page.get_by_role(role, name=name, exact=True)
        what = f"{role} “{name}”"
        with self._pages.finding(f"the {what}"):
            control.wait_for()
        if not probes.keyboard.has_focus(control):
            probes.keyboard.tab_to(self._page, control, what)
        control.evaluate(_WATCH)
        self._page.keyboard.press("Enter")
        if _comes(then):
            return
        if self._page.evaluate("() => window.__pressed !== false"):
            raise self._pages.wrong(f"nothing follows the {what}, which was pressed")
        with self._pages.finding(f"what follows the {what}"):
            control.click()
            then.wait_for()
        raise _MouseOnlyError(f"{what} does nothing when Enter is pressed, and works by a click")

    def _heading(self, name: str) -> Locator:
        return self._page.get_by_role("heading", name=name, exact=True)

    def _status(self, text: str) -> Locator:
        return self._page.get_by_role("status").filter(has_text=text)


def _comes(what: Locator, state: Literal["visible", "hidden"] = "visible") -> bool:
    try:
        what.wait_for(state=state)
    except probes.browser.LateError:
        return False
    return True
