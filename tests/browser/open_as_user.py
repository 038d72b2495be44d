"""The program that BROWSER names: open a sign-in page in Chromium and act as a user.

`az login` finds a browser the way Python's webbrowser module does, through BROWSER. A plan contains what the user
knows and wants, a report what the user saw; both are JSON files (see tests.harness.browser_user). Like a desktop's
browser command it returns at once; the work continues in the background.

    python open_as_user.py PLAN URL
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PAUSE = 0.05


class SignIn:
    """One visit: from the address that `az` opened to the page where the user stops reading."""

    def __init__(self, browser: Chrome, plan: dict[str, Any]) -> None:
        self.browser = browser
        self.plan = plan
        self.steps: list[str] = []

    def go(self, url: str) -> None:
        """Open `url` and answer every page until the last one, or until the plan's `seconds` are over.

        Raises:
            TimeoutError: the last page did not arrive. The report has the page that was open.
        """
        deadline = time.monotonic() + float(self.plan["seconds"])
        self.browser.get(url)
        while not self.is_last_page():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sign-in went no further than {self.browser.current_url}")
            # A page may submit itself meanwhile, as form_post does.
            with suppress(StaleElementReferenceException):
                self.answer_page()
            time.sleep(PAUSE)

    def is_last_page(self) -> bool:
        """Tell whether nothing is left to do.

        That is a page outside of the cloud, or the cloud's page after a success or with an error about the input: a
        user who knows one password does not try it twice.
        """
        if self.browser.execute_script("return document.readyState") != "complete":
            return False
        if urlsplit(self.browser.current_url).netloc != urlsplit(self.plan["cloud"]).netloc:
            return True
        return any(self.find(selector) for selector in ("#done", "#error", "#problem"))

    def answer_page(self) -> None:
        """Do the next thing on this page: pick an account, fill a field, press a button."""
        plan = self.plan
        refuse_at = plan.get("cancel_at")
        tile = self.find(f'button[data-account="{plan["username"]}"]')
        if tile:
            self.click(tile, "picked the account")
        elif self.find("button[data-account]") and (other := self.find("#other-account")):
            self.click(other, "chose another account")
        elif refuse_at and self.find(refuse_at) and (cancel := self.find("#cancel")):
            self.click(cancel, f"cancelled at {refuse_at}")
        elif field := self.empty("#user-code"):
            self.submit(field, plan["user_code"], "entered the device code")
        elif self.find("#username") or self.find("#password"):
            self.enter_credentials()
        elif field := self.empty("#mfa-code"):
            code = plan.get("mfa_code") or self.browser.find_element(By.ID, "authenticator-code").text
            self.submit(field, code, "entered the MFA code")
        elif button := self.find("#accept"):
            self.click(button, "accepted")
        elif button := self.find("#cancel"):
            self.click(button, "had no choice but to cancel")

    def enter_credentials(self) -> None:
        """Fill in the user name and the password; the page may ask for both, or for one after the other."""
        name, password = self.empty("#username"), self.empty("#password")
        if name:
            name.send_keys(self.plan["username"])
        if password:
            self.submit(password, self.plan["password"], "entered the password")
        elif name:
            self.submit(name, "", "entered the user name")

    def find(self, selector: str) -> WebElement | None:
        """Return the element if it is visible."""
        try:
            element = self.browser.find_element(By.CSS_SELECTOR, selector)
        except NoSuchElementException:
            return None
        return element if element.is_displayed() else None

    def empty(self, selector: str) -> WebElement | None:
        """Return the field if it is editable, without its text (a hint)."""
        element = self.find(selector)
        if element is None or element.get_attribute("readonly"):
            return None
        element.clear()
        return element

    def submit(self, field: WebElement, text: str, step: str) -> None:
        """Type `text` into `field` and press the form's button."""
        field.send_keys(text)
        self.click(self.browser.find_element(By.CSS_SELECTOR, "#submit"), step)

    def click(self, element: WebElement, step: str) -> None:
        """Click, and wait until the page is another one: an answer must not be given twice.

        Raises:
            TimeoutError: a minute later it was still the same.
        """
        page = self.browser.find_element(By.TAG_NAME, "html")
        self.steps.append(step)
        element.click()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                page.is_enabled()
            except (StaleElementReferenceException, NoSuchElementException):
                return
            except WebDriverException:
                return  # how the driver reports a document that was replaced meanwhile
            time.sleep(PAUSE)
        raise TimeoutError(f"nothing happened after the user {step}")


def start_browser(plan: dict[str, Any]) -> Chrome:
    """Start a headless Chromium that trusts the local cloud's key and no other server."""
    options = ChromeOptions()
    options.binary_location = plan["browser"]
    for argument in (
        "--headless=new",
        "--no-sandbox",  # Chromium's sandbox does not work for root, and CI is root
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-default-apps",
        "--disable-extensions",
        "--window-size=900,900",
        f"--user-data-dir={plan['browser_profile']}",
        # Trust this one key, and check everything else about TLS.
        f"--ignore-certificate-errors-spki-list={plan['trusted_key']}",
    ):
        options.add_argument(argument)
    browser = Chrome(options=options, service=Service(plan["driver"], log_output=os.devnull))
    browser.set_page_load_timeout(float(plan["seconds"]))
    return browser


def bring_cookies(browser: Chrome, kept: Path) -> None:
    """Give the browser the last cookies of an earlier one with the same profile."""
    if kept.exists():
        browser.execute_cdp_cmd("Storage.setCookies", {"cookies": json.loads(kept.read_text(encoding="utf-8"))})


def visit(plan: dict[str, Any], url: str) -> None:
    """Do the whole visit and write the report, after a failure as well."""
    report: dict[str, Any] = {"opened": url, "steps": [], "error": None}
    browser = None
    # A browser that is closed forgets its session cookies, and a user's browser stays open between sign-ins.
    cookies = Path(plan["browser_profile"], "session-cookies.json")
    try:
        browser = start_browser(plan)
        bring_cookies(browser, cookies)
        sign_in = SignIn(browser, plan)
        report["steps"] = sign_in.steps
        sign_in.go(url)
    except (WebDriverException, TimeoutError, OSError):
        report["error"] = traceback.format_exc()
    if browser:
        try:
            report["url"] = browser.current_url
            report["title"] = browser.title
            report["text"] = browser.find_element(By.TAG_NAME, "body").text
            browser.save_screenshot(plan["screenshot"])
            kept = browser.execute_cdp_cmd("Storage.getCookies", {})["cookies"]
            cookies.write_text(json.dumps(kept), encoding="utf-8")
        except WebDriverException:
            report["error"] = report["error"] or traceback.format_exc()
        browser.quit()
    draft = Path(plan["report"] + ".draft")
    draft.write_text(json.dumps(report), encoding="utf-8")
    draft.replace(plan["report"])


def main(plan_file: str, url: str) -> None:
    """Leave the terminal's process group, so that Ctrl-C does not reach the browser, and visit `url`."""
    if sys.platform == "win32":
        raise NotImplementedError
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    Path(plan["pid_file"]).write_text(str(os.getpid()), encoding="utf-8")
    with open(plan["log"], "a", encoding="utf-8") as log, open(os.devnull, encoding="utf-8") as nothing:
        for stream, target in ((0, nothing), (1, log), (2, log)):
            os.dup2(target.fileno(), stream)
        visit(plan, url)


if __name__ == "__main__":
    main(*sys.argv[1:3])
