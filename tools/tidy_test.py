"""What tools/tidy and tools/layers refuse, on small trees made for it."""
import contextlib
import importlib.machinery
import importlib.util
import os
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(HERE, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


tidy = load('tidy')
layers = load('layers')


@contextlib.contextmanager
def tree(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as f:
                f.write(text)
        yield root


def rules(files):
    with tree(files) as root:
        return sorted({e[2] for e in tidy.run(root).errors})


def header(path, body):
    guard = 'SB_' + path.upper().replace('/', '_').replace('.', '_')
    return {f'src/{path}': f'#ifndef {guard}\n#define {guard}\n\n{body}\n#endif\n'}


class Includes(unittest.TestCase):
    def test_an_edge_of_the_table_passes(self):
        self.assertEqual(rules({'src/codec/a.c': '#include "base/span.h"\n'}), [])

    def test_an_edge_outside_the_table_fails(self):
        self.assertEqual(rules({'src/codec/a.c': '#include "hub/topic.h"\n'}), ['layer'])

    def test_a_narrowed_edge_admits_only_its_part(self):
        self.assertEqual(rules({'src/net/a.c': '#include "ports/clock.h"\n'}), [])
        self.assertEqual(rules({'src/net/a.c': '#include "ports/store.h"\n'}), ['layer'])
        self.assertEqual(rules({'src/shape/a.c': '#include "codec/json/scan.h"\n'}), [])
        self.assertEqual(rules({'src/shape/a.c': '#include "codec/ws/frame.h"\n'}), ['layer'])
        self.assertEqual(rules({'src/ports/a.c': '#include "domain/device_types.h"\n'}), [])
        self.assertEqual(rules({'src/ports/a.c': '#include "domain/device.h"\n'}), ['layer'])

    def test_an_include_in_a_comment_is_no_include(self):
        self.assertEqual(rules({'src/codec/a.c': '/*\n#include "hub/topic.h"\n*/\n'}), [])

    def test_relative_and_bare_includes_fail(self):
        self.assertEqual(rules({'src/hub/a.c': '#include "../base/span.h"\n'}), ['include'])
        self.assertEqual(rules({'src/hub/a.c': '#include "topic.h"\n'}), ['include'])

    def test_third_party_headers_have_one_home(self):
        self.assertEqual(rules({'src/base/hash.c': '#include <xxhash.h>\n'}), [])
        self.assertEqual(rules({'src/base/map.c': '#include <xxhash.h>\n'}), ['third-party'])
        self.assertEqual(rules({'src/domain/a.c': '#include <jansson.h>\n'}), ['third-party'])
        self.assertEqual(rules({'src/app/a.c': '#include <glib/unknown.h>\n'}), ['third-party'])

    def test_the_own_header_comes_first_and_system_headers_last(self):
        own = header('hub/a.h', '')
        good = '#include "hub/a.h"\n\n#include "base/span.h"\n\n#include <string.h>\n'
        self.assertEqual(rules({**own, 'src/hub/a.c': good}), [])
        self.assertEqual(rules({**own, 'src/hub/a.c': '#include "base/span.h"\n'
                                                      '#include "hub/a.h"\n'}), ['include-order'])
        self.assertEqual(rules({'src/hub/b.c': '#include <string.h>\n#include "base/span.h"\n'}),
                         ['include-order'])

    def test_headers_of_one_layer_stay_together(self):
        self.assertEqual(rules({'src/hub/b.c': '#include "base/a.h"\n#include "ports/b.h"\n'
                                               '#include "base/c.h"\n'}), ['include-order'])


class Sizes(unittest.TestCase):
    def body(self, lines):
        return 'int f(void)\n{\n' + '    g();\n\n    /* why */\n' * lines + '    return 0;\n}\n'

    def test_blank_lines_and_comments_do_not_count(self):
        self.assertEqual(rules({'src/hub/a.c': self.body(60)}), [])

    def test_a_long_function_fails_unless_a_reason_permits_it(self):
        self.assertEqual(rules({'src/hub/a.c': self.body(71)}), ['function-length'])
        permit = '/* tidy: long: one switch over every opcode */\n'
        self.assertEqual(rules({'src/hub/a.c': permit + self.body(71)}), [])

    def test_a_permit_covers_one_function_only(self):
        text = '/* tidy: long: a table */\nint g(void)\n{\n    return 0;\n}\n\n' + self.body(71)
        self.assertEqual(rules({'src/hub/a.c': text}), ['function-length'])

    def test_a_long_table_is_no_function(self):
        text = 'static const int t[] = {\n' + '    1,\n' * 100 + '};\n'
        self.assertEqual(rules({'src/hub/a.c': text}), [])

    def test_files_and_lines_have_limits(self):
        self.assertEqual(rules({'src/hub/a.c': '\n' * 801}), ['file-length'])
        self.assertEqual(rules({'src/hub/a.c': '/* ' + 'x' * 100 + ' */\n'}), ['columns'])
        with tree({'src/hub/a.c': '\n' * 501}) as root:
            report = tidy.run(root)
            self.assertEqual([len(report.errors), len(report.warnings)], [0, 1])


class Calls(unittest.TestCase):
    def test_banned_calls_fail_and_their_names_in_prose_do_not(self):
        self.assertEqual(rules({'src/app/a.c': 'int x = atoi("1");\n'}), ['banned'])
        self.assertEqual(rules({'src/app/a.c': '/* not atoi(x) */\nchar *s = "rand(";\n'}), [])
        self.assertEqual(rules({'src/app/a.c': 'int y = ops->rand(z) + my_rand(z);\n'}), [])

    def test_the_heap_is_reached_through_base_mem(self):
        self.assertEqual(rules({'src/loop/a.c': 'void *p = malloc(4);\n'}), ['alloc'])
        self.assertEqual(rules({'src/base/mem.c': 'void *p = malloc(4);\n'}), [])

    def test_single_threaded_layers_know_no_lock(self):
        self.assertEqual(rules({'src/hub/a.c': 'pthread_mutex_lock(&m);\n'}), ['lock'])
        self.assertEqual(rules({'src/edge/a.c': '#include <pthread.h>\n'}), ['lock'])
        self.assertEqual(rules({'src/loop/a.c': 'pthread_mutex_lock(&m);\n'}), [])

    def test_a_codec_touches_nothing_outside(self):
        self.assertEqual(rules({'src/codec/a.c': '#include <sys/socket.h>\n'}), ['codec'])
        self.assertEqual(rules({'src/codec/a.c': 'x = time(NULL);\n'}), ['codec'])


class Headers(unittest.TestCase):
    def test_a_group_shares_the_comment_above_it(self):
        self.assertEqual(rules(header('hub/a.h', '/* Both may fail. */\nint a_b(void);\nint a_c(\n'
                                                 '    int x);\n')), [])
        self.assertEqual(rules(header('hub/a.h', 'int a_b(void); /* always 0 */\n')), [])

    def test_an_exported_function_without_a_comment_fails(self):
        self.assertEqual(rules(header('hub/a.h', '/* File. */\n\nint a_b(void);\n')),
                         ['header-comment'])

    def test_the_guard_is_the_path(self):
        self.assertEqual(rules({'src/hub/a.h': '#ifndef A_H\n#define A_H\n#endif\n'}), ['guard'])


class Words(unittest.TestCase):
    def test_unfinished_work_and_outside_paths_fail(self):
        self.assertEqual(rules({'docs/a.md': 'TO' 'DO: later\n'}), ['unfinished'])
        self.assertEqual(rules({'docs/a.md': 'see ../sha' 'red/x\n'}), ['outside'])
        self.assertEqual(rules({'tests/a.mjs': 'write("/t' 'mp/x")\n'}), ['outside'])

    def test_a_fuzz_target_needs_inputs(self):
        target = {'src/codec/a_fuzz.c': ''}
        self.assertEqual(rules(target), ['corpus'])
        self.assertEqual(rules({**target, 'tests/corpus/a/1': 'x'}), [])


class Table(unittest.TestCase):
    def document(self, change=lambda name, edges: edges):
        rows = ''.join(f'| {n} | {", ".join(change(n, e)) or "-"} | - |\n'
                       for n, e in tidy.LAYERS.items()).replace('*,', 'all').replace('| * |',
                                                                                   '| all |')
        return {'docs/ARCHITECTURE.md':
                '| folder | may include | third party |\n| --- | --- | --- |\n' + rows}

    def test_the_document_prints_the_same_table(self):
        self.assertEqual(rules(self.document()), [])

    def test_a_document_that_says_more_or_less_fails(self):
        self.assertEqual(rules(self.document(lambda n, e: e + ['app'] if n == 'hub' else e)),
                         ['table'])
        self.assertEqual(rules(self.document(lambda n, e: e[1:] if n == 'net' else e)), ['table'])


class Layers(unittest.TestCase):
    def test_a_call_upwards_fails_and_one_downwards_passes(self):
        found = {'base': ({'span_eq'}, []), 'hub': ({'topic_new'}, [('t.o', 'span_eq')])}
        self.assertEqual(layers.check(found, tidy.LAYERS), [])
        found['base'][1].append(('s.o', 'topic_new'))
        self.assertEqual(layers.check(found, tidy.LAYERS), ['base: s.o calls topic_new of hub/'])


if __name__ == '__main__':
    unittest.main()
