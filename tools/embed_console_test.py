"""What tools/embed_console.py writes for a folder, and for none."""
import os
import re
import tempfile
import unittest

import embed_console


def put(root, path, data):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, 'wb') as f:
        f.write(data)


def read(path):
    with open(path, encoding='ascii') as f:
        return f.read()


class Embed(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.root = self.tmp.name
        self.folder = os.path.join(self.root, 'console')
        self.out = os.path.join(self.root, 'out.c')
        self.dep = os.path.join(self.root, 'out.d')

    def embed(self):
        embed_console.main(['embed_console.py', self.folder, self.out, self.dep])
        return read(self.out)

    def rows(self):
        return re.findall(r'\.path = \{\(const uint8_t \*\)"([^"]+)"', self.embed())

    def test_without_a_folder_one_page_says_so(self):
        self.assertEqual(self.rows(), ['index.html'])
        self.assertIn(f'{self.root}', read(self.dep))

    def test_an_unfinished_build_counts_as_none(self):
        put(self.folder, 'assets/app.ABCDEFGH.js', b'x')
        self.assertEqual(self.rows(), ['index.html'])

    def test_files_are_sorted_and_the_precompressed_left_out(self):
        for path in ('index.html', 'assets/b.ABCDEFGH.js', 'assets/a.ABCDEFGH.css', 'index.html.gz'):
            put(self.folder, path, b'text ' * 100)
        self.assertEqual(self.rows(),
                         ['assets/a.ABCDEFGH.css', 'assets/b.ABCDEFGH.js', 'index.html'])

    def test_only_hashed_names_are_immutable(self):
        put(self.folder, 'index.html', b'<p>')
        put(self.folder, 'assets/a.ABCDEFGH.js', b'1')
        put(self.folder, 'assets/plain.js', b'2')
        found = re.findall(r'"([^"]+)", \d+\},\n.*?immutable = (\w+)', self.embed(), re.S)
        self.assertEqual([(p, i) for p, i in found],
                         [('assets/a.ABCDEFGH.js', 'true'), ('assets/plain.js', 'false'),
                          ('index.html', 'false')])

    def test_gzip_is_left_out_where_it_is_no_gain(self):
        put(self.folder, 'index.html', b'x')
        text = self.embed()
        self.assertIn('.gzip = {NULL, 0}', text)
        self.assertIn('.etag_gzip = {NULL, 0}', text)

    def test_the_same_input_leaves_the_output_alone(self):
        put(self.folder, 'index.html', b'<p>' * 50)
        first = self.embed()
        os.utime(self.out, (1, 1))
        self.assertEqual(self.embed(), first)
        self.assertEqual(os.stat(self.out).st_mtime, 1)

    def test_every_file_read_is_named_as_a_dependency(self):
        put(self.folder, 'index.html', b'<p>')
        put(self.folder, 'assets/a.ABCDEFGH.js', b'1')
        self.embed()
        for path in ('index.html', 'assets/a.ABCDEFGH.js', 'assets'):
            self.assertIn(os.path.join(self.folder, path), read(self.dep))


if __name__ == '__main__':
    unittest.main()
