"""The pages of a sign-in: account picker, user name, password, second factor, confirmation, consent, device code."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, g, redirect, request

from tests.localcloud.authorize import issue_code
from tests.localcloud.claims import parse_claims
from tests.localcloud.directory import Application, Tenant, User
from tests.localcloud.errors import EntraError
from tests.localcloud.interaction import Asked, Browser, Interaction
from tests.localcloud.policy import check_member, check_password, find_tenant, needs_consent, needs_mfa
from tests.localcloud.responses import deliver_error, error_page, origin, page
from tests.localcloud.scopes import parse_scope
from tests.localcloud.signin import SignIn
from tests.localcloud.state import DeviceSignIn, State
from tests.localcloud.tokens import Issuer
from tests.localcloud.visitors import Visitors


def pages_blueprint(state: State, issuer: Issuer, visitors: Visitors) -> Blueprint:
    """A sign-in under way, and where device codes are typed in."""
    pages = Blueprint("pages", __name__)
    base, routes = issuer.base_url, issuer.routes

    @pages.errorhandler(EntraError)
    def refuse(error: EntraError) -> Response:
        return error_page(issuer.refusal(error), state.now(), base)

    # -- where a sign-in stands ----------------------------------------------------------------------------------

    def who(doing: Interaction) -> tuple[User, Tenant, Application]:
        user = state.directory.find_user(doing.username or "")
        if user is None:
            raise EntraError("invalid_request", 165000, "The account does not exist any more.")
        app = state.directory.application(doing.asked.client_id)
        return user, find_tenant(state.directory, doing.asked.tenant, user), app

    def next_step(doing: Interaction, browser: Browser) -> str:
        """The name of the page to show; "done" when nothing is missing."""
        if doing.username is None:
            return "pick" if browser.accounts and not doing.other_account else "username"
        if doing.sign_in is None or state.revoked_since(doing.username, doing.sign_in.at):
            return "password"
        user, tenant, app = who(doing)
        check_member(user, tenant, app, base)
        if needs_mfa(tenant, doing.sign_in, parse_claims(doing.asked.claims)):
            return "mfa"
        if doing.asked.kind == "device" and not doing.confirmed:
            return "confirm"
        missing = needs_consent(state, user, app, parse_scope(doing.asked.scope, tenant.name, state.resources))
        if missing == "admin":
            return "approval"
        if not doing.consented and (missing == "user" or doing.asked.prompt == "consent"):
            return "consent"
        return "done"

    def show(doing: Interaction, browser: Browser, problem: str = "") -> Response:
        step = next_step(doing, browser)
        if step == "done":
            return finish(doing, browser)
        user = state.directory.find_user(doing.username or "")
        app = state.directory.application(doing.asked.client_id)
        tenant = who(doing)[1] if user else None
        known = [(state.directory.user(name), signed is not None) for name, signed in browser.accounts.items()]
        return page(
            f"{step}.html",
            login=routes.login,
            form_targets=origin(doing.asked.redirect_uri),
            doing=doing,
            csrf=browser.csrf,
            problem=problem,
            user=user,
            tenant=tenant,
            app=app,
            accounts=known,
            scopes=[s for s in doing.asked.scope.split() if s not in ("openid", "profile", "offline_access")],
            username=doing.username or "",
        )

    def finish(doing: Interaction, browser: Browser) -> Response:
        assert doing.sign_in is not None
        g.user = doing.sign_in.username
        browser.accounts[doing.sign_in.username] = doing.sign_in
        state.interactions.pop(doing.id, None)
        if doing.asked.kind == "device":
            settle(doing.asked.device_code, "approved", doing.sign_in)
            return page(
                "done.html",
                title="You have signed in",
                text=f"You have signed in to {state.directory.application(doing.asked.client_id).name} on your "
                "device. You may now close this window.",
            )
        return issue_code(state, doing.asked, doing.sign_in)

    def decline(doing: Interaction) -> Response:
        state.interactions.pop(doing.id, None)
        if doing.asked.kind == "device":
            settle(doing.asked.device_code, "declined", None)
            return page(
                "done.html",
                title="You have cancelled the sign-in",
                text="Nothing was granted on your device. You may now close this window.",
            )
        error = EntraError("access_denied", 65004, "User declined to consent to access the app.")
        return deliver_error(
            doing.asked.redirect_uri,
            doing.asked.response_mode,
            doing.asked.state,
            issuer.refusal(error),
            state.now(),
            base,
        )

    def settle(device_code: str, status: str, sign_in: SignIn | None) -> None:
        with state.lock:
            found = state.device_sign_ins.get(device_code)
            if found is not None and found.status == "pending":
                state.device_sign_ins[device_code] = replace(found, status=status, sign_in=sign_in)

    # -- the steps of a sign-in ----------------------------------------------------------------------------------

    def pick(doing: Interaction, browser: Browser) -> str:
        account = request.form.get("account")
        if account is None:
            doing.other_account = True
        elif account in browser.accounts:
            doing.username, doing.sign_in = account, browser.accounts[account]
        return ""

    def username(doing: Interaction, _: Browser) -> str:
        typed = request.form.get("username", "").strip()
        user = state.directory.find_user(typed)
        if user is None:
            return "This username may be incorrect. Make sure you typed it correctly. Otherwise, contact your admin."
        doing.username = user.username
        return ""

    def password(doing: Interaction, browser: Browser) -> str:
        if request.form.get("back"):
            doing.username, doing.other_account = None, True
            return ""
        try:
            user = check_password(
                state.directory, doing.asked.tenant, doing.username or "", request.form.get("password", "")
            )
        except EntraError as error:
            if error.code == 50126:
                return (
                    "Your account or password is incorrect. If you don't remember your password, look where this "
                    "local cloud was started."
                )
            raise
        before = browser.accounts.get(user.username)
        kept = before.mfa_tenants if before and not state.revoked_since(user.username, before.at) else ()
        doing.username, doing.sign_in = user.username, SignIn(user.username, state.now(), kept)
        browser.accounts[user.username] = doing.sign_in
        return ""

    def mfa(doing: Interaction, browser: Browser) -> str:
        typed = request.form.get("code", "").replace(" ", "")
        if not hmac.compare_digest(typed.encode(), doing.mfa_code.encode()):
            return "You didn't enter the expected verification code. Please try again."
        assert doing.sign_in is not None
        tenant = who(doing)[1]
        doing.sign_in = replace(doing.sign_in, mfa_tenants=(*doing.sign_in.mfa_tenants, tenant.id))
        return ""

    def confirm(doing: Interaction, _: Browser) -> str:
        doing.confirmed = True
        return ""

    def consent(doing: Interaction, _: Browser) -> str:
        user, tenant, app = who(doing)
        doing.consented = True
        scope = parse_scope(doing.asked.scope, tenant.name, state.resources)
        state.consents.add((user.username, app.app_id, scope.resource.key))
        return ""

    steps = {
        "pick": pick,
        "username": username,
        "password": password,
        "mfa": mfa,
        "confirm": confirm,
        "consent": consent,
    }

    @pages.get(f"{routes.login}/<interaction_id>")
    def look(interaction_id: str) -> Any:
        doing, browser = visitors.interaction(interaction_id)
        return show(doing, browser)

    @pages.post(f"{routes.login}/<interaction_id>")
    def act(interaction_id: str) -> Any:
        doing, browser = visitors.interaction(interaction_id)
        visitors.check_form()
        step = next_step(doing, browser)
        if request.form.get("step") != step:
            # A form of an earlier page (back button, double click): show where the sign-in stands.
            return show(doing, browser)
        if request.form.get("cancel") and step in ("confirm", "consent", "approval", "pick", "username"):
            return decline(doing)
        problem = steps[step](doing, browser) if step in steps else ""
        return show(doing, browser, problem)

    @pages.get(routes.error)
    def explain() -> Response:
        """Where the error_uri of an error answer leads."""
        code = request.args.get("code", "")
        return page(
            "done.html",
            title=f"AADSTS{code}" if code.isdigit() else "Error",
            text='Look the number up in "Microsoft Entra authentication and authorization error codes".',
        )

    # -- device code ---------------------------------------------------------------------------------------------

    def pending(user_code: str) -> DeviceSignIn | None:
        typed = user_code.replace("-", "").replace(" ", "").upper()
        now = state.now()
        return next(
            (
                d
                for d in state.device_sign_ins.values()
                if d.user_code == typed and d.status == "pending" and d.expires_at > now
            ),
            None,
        )

    @pages.route(routes.device, methods=["GET", "POST"])
    def device() -> Any:
        browser_id, browser = visitors.current()
        problem = ""
        if request.method == "POST":
            visitors.check_form()
            found = pending(request.form.get("user_code", ""))
            if found is not None:
                doing = Interaction(
                    Asked(
                        "device",
                        found.tenant,
                        found.client_id,
                        found.scope,
                        found.claims,
                        device_code=found.device_code,
                    ),
                    browser_id,
                )
                state.interactions[doing.id] = doing
                return redirect(f"{routes.login}/{doing.id}", 303)
            problem = "That code didn't work. Check the code and try again."
        shown = page("device.html", device=routes.device, csrf=browser.csrf, problem=problem)
        return visitors.remember(shown, browser_id)

    return pages
