"""All addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from alerts.link_pages import act_by_link
from siteadmin import api, dashboard, health, metrics
from siteadmin.accounts.login import StaffLoginView, log_out, login_code
from siteadmin.accounts.pages import two_factor
from siteadmin.core.audit_admin import change_own_password
from siteadmin.core.problem_pages import ProblemListView, ProblemView

urlpatterns = [
    # First, since it is asked for most; what stands ahead is tried each time.
    path("api/", include(api.urlpatterns)),
    path("api", api.router.get_api_root_view()),
    path("", dashboard.dashboard, name="dashboard"),
    path("panels/<slug:name>/", dashboard.dashboard_panel, name="dashboard-panel"),
    path("inbox/<int:alert_id>/acknowledge/", dashboard.acknowledge, name="acknowledge"),
    path("inbox/<int:alert_id>/snooze/", dashboard.snooze, name="snooze"),
    path("modes/<int:mode_id>/activate/", dashboard.switch_mode, name="switch-mode"),
    path("demo/remove/", dashboard.end_demo, name="end-demo"),
    path("", include("events.pages")),
    path("", include("alerts.pages")),
    path("account/two-factor/", two_factor, name="two-factor"),
    # In the place of the admin's own:
    path("admin/login/", StaffLoginView.as_view()),
    path("admin/login/code/", login_code, name="login-code"),
    path("admin/logout/", log_out),
    path("admin/password_change/", change_own_password),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.MetricsView.as_view(), name="metrics"),
    path("links/<str:token>/", act_by_link, name="act-by-link"),
    path("problems/", ProblemListView.as_view(), name="problems"),
    path("problems/<slug:code>/", ProblemView.as_view(), name="problem"),
]

handler400 = "siteadmin.core.error_views.bad_request"
handler403 = "siteadmin.core.error_views.permission_denied"
handler404 = "siteadmin.core.error_views.page_not_found"
handler500 = "siteadmin.core.error_views.server_error"
