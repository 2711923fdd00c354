"""Runs every check of the project, or those whose name contains a word: `./dev test [NAME]`.

Stages that wait for nothing run side by side, as many as there are cores. End-to-end stages follow
one another and run two files at a time, for they mostly wait; beside them runs what computes
(builds, unit tests, fuzzing), which gives way to them, so that their clocks are not squeezed. Each
stage writes build/test/<stage>.log, and the log's end is shown when it fails. The last line counts
tests: cmocka's, node's and Python's own, one for each fuzz target and one for each other check.
"""
import concurrent.futures
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

COVERAGE_PERCENT_MIN = 90
FUZZ_SECONDS = 5
# A program that hangs is ended, so that the whole stays bounded; the longest takes two minutes.
RUN_SECONDS_MAX = 900
NODE_FILE_SECONDS_MAX = 240
# For what is ended to say where it stood, and to end its own children.
TERM_SECONDS = 10
# Files of end-to-end tests at once, the longest first; and beside these, one after the other, those
# that wait for a clock nearly all their time: the end of a minute, a beat of half of one.
E2E_LANES = 2
E2E_FIRST = ('fixture_clients.', 'python', 'jwt.', 'clients.', 'apps.', 'socketio_hostile.',
             'resume.', 'hostile.')
E2E_IDLE = ('agent.', 'monitor.')
# How much what computes gives way to what is timed.
NICE = 5
TAIL_LINES = 60
# What failed is told once more from further up in the log: so many places, so many lines each.
PLACES_MAX = 6
PLACE_LINES = 14
PLACE = re.compile(r'^\s*not ok \d|^\[  FAILED  \] \w|^\[  ERROR   \]|^(FAIL|ERROR): |'
                   r'ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:')
LOGS = 'build/test'
CORES = max(2, os.cpu_count() or 2)

SANITIZERS = {
    'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}
# Stack traces need names and lines (-g1), no types and variables, which cost a third of a link.
BUILDS = {
    'cov': ('gcc', ['-Db_coverage=true', '-Dc_args=-g1 -fprofile-update=atomic',
                    '-Doptimization=0']),
    'asan': ('clang', ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Doptimization=1',
                       '-Dc_args=-g1']),
    'tsan': ('clang', ['-Db_sanitize=thread', '-Db_lundef=false', '-Doptimization=1',
                       '-Dc_args=-g1']),
    'fuzz': ('clang', ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Doptimization=1',
                       '-Dfuzz=true', '-Dtests=false',
                       '-Dc_args=-g1 -fsanitize=fuzzer-no-link']),
}


class Failed(Exception):
    """A stage failed; its log says why."""


class Stage:
    def __init__(self, name, action, needs=(), lock=None):
        self.name, self.action, self.needs, self.lock = name, action, list(needs), lock
        self.state = 'waiting'  # then running, ok, failed or skipped
        self.passed = self.failed = 0
        self.note = ''
        self.log = None
        self.nice = 0
        self.mutex = threading.Lock()

    def run(self, argv, env=None, check=True, cwd=None, seconds=RUN_SECONDS_MAX, log=None):
        """Runs a program into the stage's log, or one given, and returns what it printed."""
        log = log or self.log
        text = ' '.join(argv)
        log.write(f'$ {text[:400]}\n')
        log.flush()
        begin = log.tell()
        give_way = ['nice', '-n', str(self.nice)] if self.nice else []
        child = subprocess.Popen(give_way + argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 env={**os.environ, **SANITIZERS, **(env or {})}, cwd=cwd,
                                 start_new_session=True)
        nice_session(child.pid, self.nice)
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -1
            end_tree(child)
        finally:
            kill_group(child.pid)  # whatever it left behind
            child.wait()
        if status == -1:
            log.write(f'\nFAIL: not done after {seconds} s: {text[:400]}\n')
        log.flush()
        with open(log.name, encoding='utf-8', errors='replace') as f:
            f.seek(begin)
            out = f.read()
        if check and status != 0:
            raise Failed(f'status {status}')
        return status, out

    def count(self, passed, failed):
        with self.mutex:
            self.passed += passed
            self.failed += failed

    def run_apart(self, number, argv, **options):
        """As run(), for programs side by side: what one prints stays together in the log."""
        part = f'{LOGS}/{self.name}.{number}.part'
        with open(part, 'w', encoding='utf-8') as log:
            status, out = self.run(argv, check=False, log=log, **options)
        with self.mutex, open(part, encoding='utf-8', errors='replace') as log:
            shutil.copyfileobj(log, self.log)
            self.log.flush()
        os.unlink(part)
        return status, out

    def check(self, argv, env=None, cwd=None):
        """One program that is one test."""
        status, _ = self.run(argv, env, check=False, cwd=cwd)
        self.count(int(status == 0), int(status != 0))


def nice_session(leader, nice):
    """Where the kernel groups processes by session, it is the group that gives way."""
    if nice:
        try:
            with open(f'/proc/{leader}/autogroup', 'w', encoding='ascii') as group:
                group.write(str(nice))
        except OSError:
            pass  # it does not


def kill_group(group, sign=signal.SIGKILL):
    try:
        os.killpg(group, sign)
    except ProcessLookupError:
        pass


def descendants(of):
    """Process ids of all children of children; sessions and groups of their own included."""
    parents = {}
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path, encoding='utf-8', errors='replace') as f:
                text = f.read()
        except OSError:
            continue  # it ended meanwhile
        parent = int(text.rsplit(')', 1)[1].split()[1])
        parents.setdefault(parent, []).append(int(text.split(' ', 1)[0]))
    found = [of]
    for pid in found:
        found += parents.get(pid, [])
    return found[1:]


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def end_tree(child):
    """Ends a hung program: politely, so that it can tell what it was at, then for good."""
    below = descendants(child.pid)
    kill_group(child.pid, signal.SIGTERM)
    try:
        child.wait(TERM_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    kill_all(set(below + descendants(child.pid)))


def adopt_orphans():
    """What loses its parent becomes ours, so that nothing outlives us."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def end_children():
    for _ in range(20):  # killing one may show us its children
        left = descendants(os.getpid())
        if not left:
            return
        kill_all(left)
        for pid in left:
            try:
                os.waitpid(pid, 0)
            except OSError:
                pass  # not our child yet, or waited for already


def on_end(sign, _frame):
    print(f'ended by signal {sign}', flush=True)
    end_children()
    os._exit(128 + sign)


def without_aslr():
    """clang 14's TSan cannot live with the address randomisation of newer kernels."""
    argv = ['setarch', os.uname().machine, '-R']
    try:
        return argv if subprocess.run(argv + ['true'], capture_output=True).returncode == 0 else []
    except FileNotFoundError:
        return []


def build(name):
    def action(stage):
        compiler, options = BUILDS[name]
        where = f'build/{name}'
        if not os.path.exists(f'{where}/build.ninja'):
            linker = {'CC_LD': 'lld'} if shutil.which('ld.lld') else {}  # twice as fast
            stage.run(['meson', 'setup', where, '-Dwerror=true', *options],
                      {'CC': compiler, **linker})
        stage.run(['ninja', '-C', where, *(['fuzzers'] if name == 'fuzz' else [])])
        if name == 'cov':
            for old in glob.glob(f'{where}/**/*.gcda', recursive=True):
                os.unlink(old)
    return action


def meson_names(where, word):
    """Names of the tests whose name contains the word; none for no word, which means all."""
    got = subprocess.run(['meson', 'test', '-C', where, '--list', '--no-rebuild'],
                         capture_output=True, text=True).stdout
    names = [line.split(' / ', 1)[-1].strip() for line in got.splitlines() if ' / ' in line]
    return [n for n in names if word in n]


def count_meson(where):
    passed = failed = 0
    with open(f'{where}/meson-logs/testlog.json', encoding='utf-8') as log:
        for line in log:
            test = json.loads(line)
            text = (test.get('stdout') or '') + (test.get('stderr') or '')
            good = sum(map(int, re.findall(r'^\[  PASSED  \] (\d+) test', text, re.M)))
            bad = sum(map(int, re.findall(r'^\[  FAILED  \] (\d+) test', text, re.M)))
            if test['result'] in ('OK', 'EXPECTEDFAIL'):
                passed += good or 1
            elif test['result'] != 'SKIP':
                passed += good
                failed += bad or 1
    return passed, failed


def meson_tests(name, word):
    """Programs of C, one more at a time than there are cores: some wait for the disk."""
    def action(stage):
        where = f'build/{name}'
        names = meson_names(where, word) if word else []
        if word and not names:
            return
        wrapper = without_aslr() if name == 'tsan' else []
        multiplier = '1' if name == 'cov' else '3'
        stage.run(wrapper + ['meson', 'test', '-C', where, '--no-rebuild', '--print-errorlogs',
                             '-t', multiplier, '--num-processes', str(CORES + 1), *names],
                  check=False)
        stage.count(*count_meson(where))
    return action


def node_tests(pattern, build_name, word):
    """Programs of a stage: the files of node's test runner against the binary of one build."""
    def one_file(file):
        def program(stage, number):
            status, out = stage.run_apart(
                number, ['node', '--test', '--test-reporter=tap', file],
                env={'SIGNALBOX_BIN': os.path.abspath(f'build/{build_name}/signalbox'),
                     'SIGNALBOX_BUILD': build_name},
                seconds=NODE_FILE_SECONDS_MAX)
            total = {k: sum(map(int, re.findall(rf'^# {k} (\d+)$', out, re.M)))
                     for k in ('pass', 'fail', 'cancelled')}
            bad = total['fail'] + total['cancelled']
            stage.count(total['pass'], bad or int(status != 0))
        return os.path.basename(file), program
    return [one_file(f) for f in sorted(f for p in pattern for f in glob.glob(p) if word in f)]


def python_tests(folder, build_name, word):
    """One program, or none, of all Python tests of a folder."""
    def program(stage, number):
        pattern = f'*{word}*_test.py' if word else '*_test.py'
        status, out = stage.run_apart(
            number,
            [sys.executable, '-m', 'unittest', 'discover', '-v', '-s', folder, '-p', pattern],
            env={'SIGNALBOX_BIN': os.path.abspath(f'build/{build_name}/signalbox'),
                 'SIGNALBOX_BUILD': build_name})
        ran = sum(map(int, re.findall(r'^Ran (\d+) tests?', out, re.M)))
        bad = sum(map(int, re.findall(r'(?:failures|errors)=(\d+)', out)))
        if ran == 0 and status == 5:  # newer Pythons: nothing matched
            return
        stage.count(max(0, ran - bad), bad or int(status != 0))
    return [('python', program)] if glob.glob(f'{folder}/*_test.py') else []


def first_of(name):
    return next((i for i, begin in enumerate(E2E_FIRST) if name.startswith(begin)), len(E2E_FIRST))


def lanes(count, programs):
    """So many programs at a time, the longest first; what only waits has a lane of its own."""
    def action(stage):
        ordered = sorted(programs, key=lambda p: first_of(p[0]))
        pools = [concurrent.futures.ThreadPoolExecutor(n) for n in (count, 1)]
        runs = [pools[count > 1 and name.startswith(E2E_IDLE)].submit(program, stage, number)
                for number, (name, program) in enumerate(ordered)]
        for run in runs:
            run.result()
    return action


def fuzz_one(target, name):
    """(name, whether nothing was found); what it says goes to a log of its own."""
    grown = f'build/fuzz/corpus/{name}'
    os.makedirs(grown, exist_ok=True)
    with open(f'{LOGS}/fuzz-{name}.log', 'w', encoding='utf-8') as log:
        child = subprocess.Popen(
            ['nice', '-n', str(NICE), target, grown, f'tests/corpus/{name}',
             f'-max_total_time={FUZZ_SECONDS}', '-timeout=10', '-rss_limit_mb=1024',
             f'-artifact_prefix=build/fuzz/findings/{name}-'],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **SANITIZERS},
            start_new_session=True)
        nice_session(child.pid, NICE)
        try:
            status = child.wait(RUN_SECONDS_MAX)
        finally:
            kill_group(child.pid)
            child.wait()
    return name, status == 0


def fuzz_targets(word):
    def action(stage):
        os.makedirs('build/fuzz/findings', exist_ok=True)
        targets = [(t, os.path.basename(t)[len('fuzz_'):])
                   for t in sorted(glob.glob('build/fuzz/fuzz_*'))
                   if os.path.isfile(t) and os.access(t, os.X_OK)]
        with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
            runs = [pool.submit(fuzz_one, t, n) for t, n in targets if word in n]
        for name, good in (r.result() for r in runs):
            stage.count(int(good), int(not good))
            if not good:
                with open(f'{LOGS}/fuzz-{name}.log', encoding='utf-8', errors='replace') as log:
                    told = [t for t in log.read().splitlines()
                            if re.search(r'ERROR|SUMMARY|#\d+ 0x.*/src/|Test unit', t)]
                stage.log.write('\n'.join([f'fuzz target {name}:', *told[:20]]) + '\n')
    return action


def coverage(stage):
    status, out = stage.run(
        ['gcovr', '-r', '.', '--object-directory', 'build/cov', '--filter', 'src/',
         '--exclude', r'.*(_test\.c|_fuzz\.c|\.def|/test_\w+\.h)', '--exclude-throw-branches', '-j', str(CORES),
         '--gcov-ignore-parse-errors', '--txt', '-', '--xml', f'{LOGS}/coverage.xml',
         'build/cov'], check=False)
    total = re.search(r'^TOTAL\s+(\d+)\s+(\d+)\s+(\d+)%', out, re.M)
    if status != 0 or not total:
        raise Failed('gcovr')
    lines, hit = int(total.group(1)), int(total.group(2))
    percent = 100 * hit / max(1, lines)
    enough = percent >= COVERAGE_PERCENT_MIN
    rows = [(int(a) - int(b), f'{int(a) - int(b):5} of {a:>5} lines not run  {f}') for f, a, b in
            re.findall(r'^(src/\S+)\s+(\d+)\s+(\d+)\s', out, re.M) if a != b]
    stage.log.write('\n'.join(text for _, text in sorted(rows)[-40:]) + '\n')
    stage.note = f'{percent:.1f} % of {lines} lines of src/, {COVERAGE_PERCENT_MIN} % wanted'
    stage.count(int(enough), int(not enough))


def console(stage):
    scripts = json.load(open('console/package.json', encoding='utf-8')).get('scripts', {})
    if 'check' in scripts:
        stage.check(['npm', 'run', '--silent', 'check'], cwd='console')
    if 'test' in scripts:
        status, out = stage.run(['npm', 'run', '--silent', 'test'], check=False, cwd='console')
        good = sum(map(int, re.findall(r'^\S+ pass (\d+)$', out, re.M)))
        bad = sum(map(int, re.findall(r'^\S+ fail (\d+)$', out, re.M)))
        stage.count(good, bad or int(status != 0))


E2E = ['tests/e2e/*.test.mjs', 'tests/golden/*.test.mjs', 'tests/wire/*.test.mjs']
BROWSER = ['tests/e2e/browser/*.test.mjs']


def one(argv):
    return lambda stage: stage.check(argv)


def e2e(build_name, word):
    return lanes(E2E_LANES, node_tests(E2E, build_name, word) +
                 python_tests('tests/e2e', build_name, word))


def plan_all(fast):
    """Every stage; the order is the order of starting where nothing has to be waited for."""
    stages = [
        Stage('build-cov', build('cov'), lock='build'),
        Stage('tidy', one(['tools/tidy'])),
        Stage('tools', lanes(1, python_tests('tools', 'cov', ''))),
        Stage('console', console),
        Stage('layers', one(['tools/layers', 'build/cov']), ['build-cov']),
        Stage('docs', one(['build/cov/signalbox-docs', '--check', 'docs']), ['build-cov']),
        Stage('e2e-cov', e2e('cov', ''), ['build-cov'], 'e2e'),
        Stage('browser', lanes(1, node_tests(BROWSER, 'cov', '')), ['build-cov'], 'e2e'),
    ]
    if not fast:
        stages += [
            Stage('build-asan', build('asan'), lock='build'),
            Stage('e2e-asan', e2e('asan', ''), ['build-asan'], 'e2e'),
            Stage('build-tsan', build('tsan'), lock='build'),
            Stage('unit-tsan', meson_tests('tsan', ''), ['build-tsan']),
            Stage('unit-asan', meson_tests('asan', ''), ['build-asan']),
            Stage('build-fuzz', build('fuzz'), lock='build'),
        ]
    stages += [Stage('unit-cov', meson_tests('cov', ''), ['build-cov'])]
    if not fast:
        stages += [Stage('fuzz', fuzz_targets(''), ['build-fuzz'])]
    stages.append(Stage('coverage', coverage, ['unit-cov', 'e2e-cov', 'browser']))
    for stage in stages:
        if stage.name.startswith(('build-', 'unit-', 'fuzz')):
            stage.nice = NICE
    return stages


def plan_word(word, name):
    """What matches a word, in one build; a fuzz target is named by its own name."""
    fixed = [s for s in plan_all(True)
             if word in s.name and s.name in ('tidy', 'layers', 'docs', 'console', 'tools')]
    stages = [Stage(f'build-{name}', build(name)),
              Stage(f'unit-{name}', meson_tests(name, word), [f'build-{name}'])]
    stages.append(Stage(f'e2e-{name}', lanes(1, node_tests(E2E + BROWSER, name, word) +
                                             python_tests('tests/e2e', name, word)),
                        [f'build-{name}'], 'e2e'))
    if name == 'cov':
        stages += fixed
    return stages


class Runner:
    def __init__(self, stages):
        self.stages = stages
        self.changed = threading.Condition()
        self.locks = set()
        self.begin = time.monotonic()

    def ready(self, stage):
        by_name = {s.name: s for s in self.stages}
        before = [by_name[n] for n in stage.needs]
        if any(s.state in ('failed', 'skipped') and s.name.startswith('build-') for s in before):
            stage.state, stage.failed = 'skipped', 1
            print(f'skip          {stage.name}', flush=True)
            self.changed.notify_all()
            return False
        done = all(s.state in ('ok', 'failed', 'skipped') for s in before)
        return done and (stage.lock is None or stage.lock not in self.locks)

    def take(self):
        """The next stage that can start, or None when all are done."""
        with self.changed:
            while True:
                waiting = [s for s in self.stages if s.state == 'waiting']
                if not waiting:
                    return None
                for stage in waiting:
                    if self.ready(stage):
                        stage.state = 'running'
                        self.locks.add(stage.lock or stage.name)
                        return stage
                if any(s.state == 'waiting' for s in self.stages):
                    self.changed.wait(5)

    def work(self):
        while (stage := self.take()) is not None:
            begin = time.monotonic()
            with open(f'{LOGS}/{stage.name}.log', 'w', encoding='utf-8') as stage.log:
                try:
                    stage.action(stage)
                except Exception as problem:  # a broken check is a failed check
                    stage.log.write(f'\n{type(problem).__name__}: {problem}\n')
                    stage.failed += 1
            with self.changed:
                stage.state = 'failed' if stage.failed else 'ok'
                self.locks.discard(stage.lock or stage.name)
                self.report(stage, time.monotonic() - begin)
                self.changed.notify_all()

    def report(self, stage, seconds):
        tests = f'{stage.passed} passed' if stage.passed or stage.failed else ''
        tests += f', {stage.failed} failed' if stage.failed else ''
        mark = 'FAIL' if stage.failed else 'ok  '
        print(f'{mark} {seconds:6.1f} s  {stage.name:<11} {stage.note or tests}', flush=True)
        if stage.failed:
            with open(f'{LOGS}/{stage.name}.log', encoding='utf-8', errors='replace') as log:
                lines = log.read().splitlines()
            above = lines[:-TAIL_LINES]
            places = [i for i, line in enumerate(above) if PLACE.search(line)]
            for i in places[:PLACES_MAX]:
                print(f'---- {LOGS}/{stage.name}.log, line {i + 1}')
                print('\n'.join(above[i:i + PLACE_LINES]))
            print(f'---- end of {LOGS}/{stage.name}.log')
            print('\n'.join(lines[-TAIL_LINES:]), flush=True)
            print('----', flush=True)

    def run(self):
        os.makedirs(LOGS, exist_ok=True)
        adopt_orphans()
        signal.signal(signal.SIGTERM, on_end)
        signal.signal(signal.SIGINT, on_end)
        threads = [threading.Thread(target=self.work) for _ in range(CORES)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        end_children()
        passed = sum(s.passed for s in self.stages)
        failed = sum(s.failed for s in self.stages)
        print(f'in {time.monotonic() - self.begin:.0f} s')
        print(f'{passed} passed, {failed} failed')
        return 1 if failed or not passed else 0


def main(argv):
    flags = {a for a in argv if a.startswith('--')}
    words = [a for a in argv if not a.startswith('--')]
    if len(words) > 1 or not flags <= {'--fast', '--asan', '--tsan'}:
        sys.exit('usage: ./dev test [NAME] [--fast | --asan | --tsan]')
    if words:
        name = 'asan' if '--asan' in flags else 'tsan' if '--tsan' in flags else 'cov'
        return Runner(plan_word(words[0], name)).run()
    return Runner(plan_all('--fast' in flags)).run()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
