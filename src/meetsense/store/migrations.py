"""The schema, as an append-only list of migrations: a step that was released is never edited.

Each step runs in one transaction together with its record, so a crash leaves it done or not begun.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("meetsense")

TABLES = """
create table people (
  id integer primary key,
  name text not null unique
) strict;

create table roles (
  id integer primary key,
  name text not null unique
) strict;

create table agreements (
  id integer primary key,
  person integer not null references people(id) on delete cascade,
  purpose text not null
    check (purpose in ('recording','transcription','named','voiceprint','weekly_mail','cli_review')),
  agreed integer not null check (agreed in (0, 1)),
  stated_at text not null,
  basis text not null
) strict;
create index agreements_person on agreements(person, purpose, stated_at);

create table meetings (
  id text primary key,
  title text not null,
  started_at text not null,
  duration real not null,
  language text,
  vad text,
  diarizer text,
  transcriber text,
  acts text,
  analysed_at text not null
) strict;
create index meetings_started on meetings(started_at);

create table participations (
  id integer primary key,
  meeting text not null references meetings(id) on delete cascade,
  person integer not null references people(id) on delete cascade,
  role integer references roles(id),
  label text,
  voice text,
  unique (meeting, person)
) strict;
create index participations_person on participations(person);

create table speakers (
  id integer primary key,
  meeting text not null references meetings(id) on delete cascade,
  position integer not null,
  label text not null,
  person integer references people(id) on delete set null,
  role integer references roles(id),
  unique (meeting, label)
) strict;
create index speakers_person on speakers(person);

create table turns (
  id integer primary key,
  meeting text not null references meetings(id) on delete cascade,
  speaker integer not null references speakers(id) on delete cascade,
  start real not null,
  "end" real not null check ("end" >= start)
) strict;
create index turns_meeting on turns(meeting, start);
create index turns_speaker on turns(speaker);

create table utterances (
  id integer primary key,
  meeting text not null references meetings(id) on delete cascade,
  number integer not null,
  speaker integer not null references speakers(id) on delete cascade,
  start real not null,
  "end" real not null check ("end" >= start),
  text text not null,
  unique (meeting, number)
) strict;
create index utterances_speaker on utterances(speaker);

create table words (
  utterance integer not null references utterances(id) on delete cascade,
  position integer not null,
  start real not null,
  "end" real not null,
  text text not null,
  probability real not null,
  primary key (utterance, position)
) strict, without rowid;

create table acts (
  utterance integer primary key references utterances(id) on delete cascade,
  label text not null,
  confidence real not null check (confidence between 0 and 1)
) strict;

create table decisions (
  id integer primary key,
  meeting text not null references meetings(id) on delete cascade,
  number integer not null,
  status text not null check (status in ('adopted','amended','rejected','ignored','open')),
  start real not null,
  "end" real not null,
  topic text not null,
  confidence real not null,
  returns_from integer,
  unique (meeting, number)
) strict;

create table ledger (
  decision integer not null references decisions(id) on delete cascade,
  position integer not null,
  role text not null
    check (role in ('raised','proposed','amended','objected','agreed','confirmed','committed')),
  speaker integer not null references speakers(id) on delete cascade,
  utterance integer not null references utterances(id) on delete cascade,
  primary key (decision, position)
) strict, without rowid;
create index ledger_speaker on ledger(speaker);
create index ledger_utterance on ledger(utterance);

create table measures (
  id integer primary key,
  meeting text not null references meetings(id) on delete cascade,
  name text not null,
  subject text not null check (subject in ('meeting','speaker','pair')),
  speaker integer references speakers(id) on delete cascade,
  other integer references speakers(id) on delete cascade,
  value real,
  unit text not null,
  n integer not null,
  low real,
  high real,
  grade text not null check (grade in ('firm','tentative','withheld')),
  reason text,
  part real,
  whole real,
  check ((value is null) = (grade = 'withheld'))
) strict;
create index measures_meeting on measures(meeting, name);
create index measures_speaker on measures(speaker);
create index measures_other on measures(other);

create table notes (
  meeting text not null references meetings(id) on delete cascade,
  position integer not null,
  text text not null,
  primary key (meeting, position)
) strict, without rowid;
"""

VIEWS = """
create view transcript as
  select m.title as meeting, m.started_at, u.number, u.start, u."end", s.label as speaker, p.name,
         a.label as act, a.confidence, u.text, u.meeting as meeting_id
  from utterances u
  join meetings m on m.id = u.meeting
  join speakers s on s.id = u.speaker
  left join people p on p.id = s.person
  left join acts a on a.utterance = u.id
  order by m.started_at, u.meeting, u.number;

create view decision_ledger as
  select m.title as meeting, d.number as decision, d.topic, d.status, l.position, l.role, s.label as speaker,
         p.name, u.start, u.text, d.meeting as meeting_id
  from ledger l
  join decisions d on d.id = l.decision
  join meetings m on m.id = d.meeting
  join speakers s on s.id = l.speaker
  left join people p on p.id = s.person
  join utterances u on u.id = l.utterance
  order by m.started_at, d.meeting, d.number, l.position;

create view figures as
  select m.title as meeting, m.started_at, f.name, f.subject, s.label as speaker, p.name as person,
         o.label as other, f.value, f.unit, f.n, f.low, f.high, f.grade, f.reason, f.part, f.whole,
         f.meeting as meeting_id
  from measures f
  join meetings m on m.id = f.meeting
  left join speakers s on s.id = f.speaker
  left join people p on p.id = s.person
  left join speakers o on o.id = f.other
  order by m.started_at, f.meeting, f.id;

create view talk as
  select m.title as meeting, m.started_at, s.label as speaker, p.name, count(t.id) as turns,
         coalesce(sum(t."end" - t.start), 0) as seconds, s.meeting as meeting_id
  from speakers s
  join meetings m on m.id = s.meeting
  left join people p on p.id = s.person
  left join turns t on t.speaker = s.id
  group by s.id
  order by m.started_at, s.meeting, s.position;
"""


def _statements(script: str) -> list[str]:
    return [statement for part in script.split(";") if (statement := part.strip())]


@migrations()
def m001_meetings(db: Database) -> None:
    """People, roles, agreements; meetings with turns, words, acts, decisions and measures; search; views."""
    for statement in _statements(TABLES) + _statements(VIEWS):
        db.execute(statement)
    db.table("utterances").enable_fts(
        ["text"], tokenize="unicode61 remove_diacritics 2", create_triggers=True
    )


VOICES = """
create table voiceprints (
  id integer primary key,
  person integer not null references people(id) on delete cascade,
  space text not null,
  seconds real not null check (seconds > 0),
  vector blob not null,
  meeting text references meetings(id) on delete set null,
  label text,
  origin text not null,
  made_at text not null
) strict;
create index voiceprints_person on voiceprints(person, space);
create index voiceprints_meeting on voiceprints(meeting, label);

create table recognitions (
  speaker integer primary key references speakers(id) on delete cascade,
  person integer not null references people(id) on delete cascade,
  position integer not null,
  probability real not null check (probability between 0 and 1),
  space text not null,
  seconds real not null check (seconds > 0),
  vector blob not null
) strict;
create index recognitions_person on recognitions(person);

create view enrolments as
  select p.name, v.space, v.seconds, v.origin, v.made_at
  from voiceprints v
  join people p on p.id = v.person
  order by p.name, v.made_at, v.id;

create view known_again as
  select p.name, m.title as meeting, m.started_at, s.label as speaker, r.probability, r.seconds,
         s.meeting as meeting_id
  from recognitions r
  join speakers s on s.id = r.speaker
  join meetings m on m.id = s.meeting
  join people p on p.id = r.person
  order by m.started_at, s.meeting, r.position;
"""

PARKED = """
create table parked (
  meeting text primary key,
  title text not null,
  reason text not null,
  parked_at text not null
) strict;
"""


@migrations()
def m002_voiceprints(db: Database) -> None:
    """Voiceprints of people who enrolled, and whom they were known again as. A meeting that is deleted or
    analysed again leaves a print that was enrolled from it, whose origin is told in words."""
    for statement in _statements(VOICES):
        db.execute(statement)


@migrations()
def m003_parked(db: Database) -> None:
    """Meetings whose analysis was ended; none of them need be in ``meetings``."""
    for statement in _statements(PARKED):
        db.execute(statement)


@migrations()
def m004_wording(db: Database) -> None:
    """Which utterance says what was decided; unknown of meetings that were analysed before."""
    db.execute("alter table decisions add column wording integer")


RECORDINGS = """
alter table people add column role integer references roles(id);

create table recordings (
  id text primary key,
  title text not null,
  room text not null,
  started_at text not null,
  ended_at text,
  basis text not null check (basis in ('consent','policy')),
  text_sha256 text,
  rate integer not null check (rate > 0),
  state text not null check (state in ('recording','queued','processing','done','failed')),
  attempts integer not null default 0 check (attempts >= 0),
  reason text,
  meeting text references meetings(id) on delete set null
) strict;
create index recordings_state on recordings(state, started_at, id);
create index recordings_meeting on recordings(meeting);

create table segments (
  recording text not null references recordings(id) on delete cascade,
  number integer not null check (number >= 0),
  file text not null,
  samples integer not null check (samples >= 0),
  sha256 text not null,
  primary key (recording, number)
) strict, without rowid;

create table gaps (
  recording text not null references recordings(id) on delete cascade,
  number integer not null,
  kind text not null
    check (kind in ('overflow','restart','pause','suspend','disk','forgotten','muted')),
  position integer not null check (position >= 0),
  samples integer not null check (samples >= 0),
  primary key (recording, number)
) strict, without rowid;

create table presence (
  recording text not null references recordings(id) on delete cascade,
  position integer not null,
  person integer references people(id) on delete set null,
  primary key (recording, position)
) strict, without rowid;
create index presence_person on presence(person);

create view recorded as
  select r.title, r.room, r.started_at, r.ended_at, r.state, r.reason, r.attempts, r.basis,
         (select coalesce(sum(samples), 0) from segments where recording = r.id) * 1.0 / r.rate as seconds,
         (select coalesce(sum(samples), 0) from gaps where recording = r.id and kind != 'muted')
           * 1.0 / r.rate as missing,
         r.id as recording_id, r.meeting as meeting_id
  from recordings r
  order by r.started_at, r.id;
"""


@migrations()
def m005_recordings(db: Database) -> None:
    """What the room recorded, a mirror of the recordings' folders, and what is owed to it. A person who is
    deleted leaves an empty place among those who were present: what they agreed to is not known any more."""
    for statement in _statements(RECORDINGS):
        db.execute(statement)
