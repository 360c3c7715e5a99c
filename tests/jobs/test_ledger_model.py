"""Any mixture of events leaves the ledger as an independent model says.

The model keeps the history of each job and works the counters out anew from
all histories after every step. It shares no code with the ledger.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncload.jobs.status import Status
from tests.jobs.job_bench import RUN, About, balance, make_ledger

TERMINAL = ("SUCCESS", "PARTIAL", "FAILED")
STATUSES = ("STARTED", "IN_PROGRESS", *TERMINAL)
COUNTED_AS = {
    "SUCCESS": "succeeded",
    "PARTIAL": "partial",
    "FAILED": "failed",
    "TIMED_OUT": "timed_out",
    "LOST": "lost",
}


class Verdict:
    """What the history of one job amounts to."""

    def __init__(self, history):
        self.counts = Counter()
        self.submitted = self.proven(history)
        self.outcome = None
        """How its record ends; ``None`` while it is open or when there is none."""
        self.gone = False
        self.started = None
        self.progress = None
        """How far a job that was given up had got."""
        self.explained = False
        """Its record says that it was rejected."""
        self.duplicates_in_record = 0
        answered = False
        terminal = None
        said = []
        for moment, event in enumerate(history):
            kind, _, what = event.partition(" ")
            if kind == "region":
                self.counts["regions"] += 1
            elif kind == "status":
                self.hear(what, said, moment)
                said.append(what)
                if what in TERMINAL and terminal is None and not self.gone:
                    terminal = what
            elif kind == "dead":
                pass
            elif kind in {"accept", "reject", "mark_unconfirmed"}:
                answered = True
                if kind == "reject" and not self.gone and not self.heard_before(history, moment):
                    self.gone = True
            elif not self.gone and terminal is None:  # given up
                self.gone = True
                if self.submitted_before(history, moment):
                    self.outcome = what
                    self.progress = max(said, key=STATUSES.index, default="SUBMITTED")
                    self.explained = "dead" in history[:moment]
                else:
                    self.counts["unconfirmed"] += 1
            elif not self.gone:
                self.gone, self.outcome = True, terminal
            if terminal and answered and not self.gone:
                self.gone, self.outcome = True, terminal
        if self.outcome:
            self.counts[COUNTED_AS[self.outcome]] += 1
        if self.progress:
            stuck = "never_started" if self.progress == "SUBMITTED" else "stuck"
            # A dead letter that is found later still says so.
            self.counts["rejected" if "dead" in history else stuck] += 1
        self.submitted = self.outcome is not None or (not self.gone and self.submitted)

    def hear(self, status, said, moment):
        is_terminal = status in TERMINAL
        if status in said or (is_terminal and any(old in TERMINAL for old in said)):
            self.counts["duplicates"] += 1
            self.duplicates_in_record += not self.gone
        elif self.gone and is_terminal:
            self.counts["late"] += 1
        elif status == "STARTED" and not self.gone:
            self.started = moment

    @staticmethod
    def heard_before(history, moment):
        return any(event.startswith(("status", "region", "dead")) for event in history[:moment])

    @classmethod
    def submitted_before(cls, history, moment):
        return "accept" in history[:moment] or cls.heard_before(history, moment)

    @classmethod
    def proven(cls, history):
        return cls.submitted_before(history, len(history))


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.t = 0.0
        self.ledger, self.records = make_ledger(lambda: self.t)
        self.jobs = []
        self.histories = []
        self.orphans = 0

    def pick(self, data, jobs=None):
        numbers = range(len(self.jobs)) if jobs is None else jobs
        number = data.draw(st.sampled_from(list(numbers)))
        return self.jobs[number], self.histories[number]

    def unanswered(self):
        return [
            number
            for number, history in enumerate(self.histories)
            if not {"accept", "reject", "mark_unconfirmed"} & set(history)
        ]

    @rule(timeout=st.sampled_from([3.0, 7.0, 1e9]), scenario=st.sampled_from("ab"))
    def open(self, timeout, scenario):
        about = About(scenario=scenario, timeout=timeout)
        self.jobs.append(self.ledger.open(about, due=self.t, start=self.t))
        self.histories.append([])

    @precondition(lambda self: self.unanswered())
    @rule(
        data=st.data(), answer=st.sampled_from(["accept", "accept", "reject", "mark_unconfirmed"])
    )
    def answer(self, data, answer):
        job, history = self.pick(data, self.unanswered())
        if answer == "accept":
            self.ledger.accept(job, "m")
        else:
            getattr(self.ledger, answer)(job)
        history.append(answer)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), statuses=st.lists(st.sampled_from(STATUSES), min_size=1, max_size=5))
    def hear(self, data, statuses):
        job, history = self.pick(data)
        for status in statuses:
            stamp = float(len(history))
            assert self.ledger.apply(Status(job.id, status, sent_at=self.t + stamp), self.t + stamp)
            history.append(f"status {status}")

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def hear_of_a_region(self, data):
        job, history = self.pick(data)
        assert self.ledger.apply(Status(job.id, "SUCCESS", region=True), self.t)
        history.append("region")

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), sent=st.booleans())
    def find_among_the_dead_letters(self, data, sent):
        job, history = self.pick(data)
        verdict = Verdict(history)
        news = "dead" not in history and (verdict.progress or not verdict.gone)
        letter = self.ledger.mark_dead_lettered(job.id, "dlq", job.start if sent else None)
        assert (letter is not None) == bool(news)
        if news:
            assert (letter.job_id, letter.queue, letter.too_late) == (job.id, "dlq", verdict.gone)
            if sent or not verdict.gone:
                assert 0 <= letter.age <= self.t - job.start + 0.001
        history.append("dead")

    @rule(job_id=st.sampled_from(["f" * 32, "", f"{RUN}0000{10**9:016x}"]))
    def find_a_foreign_job_among_the_dead_letters(self, job_id):
        assert self.ledger.mark_dead_lettered(job_id, "dlq", self.t) is None

    @rule(status=st.sampled_from(STATUSES), region=st.booleans())
    def hear_of_a_foreign_job(self, status, region):
        assert not self.ledger.apply(Status("f" * 32, status, region=region), self.t)

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.0]))
    def time_passes(self, seconds):
        self.t += seconds
        for job, history in zip(self.jobs, self.histories, strict=True):
            answered = {"accept", "reject", "mark_unconfirmed"} & set(history)
            if answered and job.start + job.about.timeout <= self.t:
                history.append("give-up TIMED_OUT")
        self.ledger.expire()

    @rule()
    def close(self):
        for history in self.histories:
            history.append("give-up LOST")
        self.ledger.close()
        assert self.ledger.backlog == 0
        assert not self.ledger.live

    @invariant()
    def the_counters_add_up(self):
        assert balance(self.ledger) == 0
        t = self.ledger.totals()
        assert t.rejected + t.stuck + t.never_started == t.timed_out + t.lost

    @invariant()
    def the_totals_are_those_of_the_model(self):
        verdicts = [Verdict(history) for history in self.histories]
        expected = sum((verdict.counts for verdict in verdicts), Counter())
        expected["submitted"] = sum(verdict.submitted for verdict in verdicts)
        expected["backlog"] = sum(v.submitted and not v.gone for v in verdicts)
        totals = self.ledger.totals()
        names = [name for name in totals.__struct_fields__ if name != "t"]
        assert {name: getattr(totals, name) for name in names} == {
            name: expected[name] for name in names
        }

    @invariant()
    def every_job_that_is_over_has_exactly_one_record(self):
        verdicts = [Verdict(history) for history in self.histories]
        assert sorted((r.job_id, r.status, r.duplicates) for r in self.records) == sorted(
            (job.id, verdict.outcome, verdict.duplicates_in_record)
            for job, verdict in zip(self.jobs, verdicts, strict=True)
            if verdict.outcome
        )
        assert set(self.ledger.live) == {
            job.id for job, verdict in zip(self.jobs, verdicts, strict=True) if not verdict.gone
        }

    @invariant()
    def a_job_started_when_its_first_started_says_so(self):
        started = {r.job_id: r.started is not None for r in self.records}
        for job, history in zip(self.jobs, self.histories, strict=True):
            if job.id in started:
                assert started[job.id] == (Verdict(history).started is not None)

    @invariant()
    def the_record_of_a_job_given_up_says_how_far_it_got_and_whether_it_was_rejected(self):
        records = {r.job_id: (r.progress, r.dead_letter_age is not None) for r in self.records}
        verdicts = [Verdict(history) for history in self.histories]
        assert records == {
            job.id: (verdict.progress, verdict.explained)
            for job, verdict in zip(self.jobs, verdicts, strict=True)
            if verdict.outcome
        }
        assert self.ledger.missing == sum(
            ("dead" not in history) and (not verdict.gone or bool(verdict.progress))
            for history, verdict in zip(self.histories, verdicts, strict=True)
        )

    def teardown(self):
        self.close()
        self.the_counters_add_up()
        self.the_totals_are_those_of_the_model()
        self.every_job_that_is_over_has_exactly_one_record()
        self.the_record_of_a_job_given_up_says_how_far_it_got_and_whether_it_was_rejected()


TestAnyMixtureOfEvents = LedgerMachine.TestCase
TestAnyMixtureOfEvents.settings = settings(deadline=None, max_examples=150, stateful_step_count=40)
