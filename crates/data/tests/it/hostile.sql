CREATE TYPE empty AS ENUM ();
CREATE TYPE words AS ENUM ('', 'a"; evil(); /* */ `${x}`  ', '</script>', '\', '*/', E'two\nlines');
CREATE TABLE hostile (id int PRIMARY KEY, words words, empty empty, label text, "constructor" int, "__proto__" int, "prototype" text,
    "class" text, "1st" int, "a‮b​c" text, "" text, "'; DROP" text, "a\b" int, "*/" words[],
    slug text CHECK (slug ~ '^[a-z]+(-[a-z]+)*$'), slow text CHECK (slow ~ '^(a+)+$'), braces text CHECK (braces ~ '^{x}$'),
    low numeric CHECK (low < 'NaN'::numeric), high float8 CHECK (high < 'Infinity'::float8));
CREATE FUNCTION label(hostile) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'x' $$;
COMMENT ON TABLE hostile IS '*/ evil(); /*';
COMMENT ON COLUMN hostile.label IS '*/ evil(); /*';
CREATE TABLE "m²" (id int PRIMARY KEY);
CREATE TABLE "½`${x}`" (id int PRIMARY KEY);
CREATE TABLE "заметки" (id int PRIMARY KEY);
CREATE TABLE "default" (id int PRIMARY KEY);
CREATE TABLE "ⓐ"";evil()//" (id int PRIMARY KEY);
CREATE FUNCTION "a"";evil()//"("b: x; c" int) RETURNS TABLE ("d}; e" int) LANGUAGE sql AS $$ SELECT 1 $$;
CREATE TYPE truth AS ENUM ('true', 'false', 'null', 'ok', '__dunder');
CREATE TYPE "odd mood" AS ENUM ('fine');
CREATE TABLE "__type" (id int PRIMARY KEY);
CREATE TABLE names (id int PRIMARY KEY, "__typename" text, truth truth, odd "odd mood", "__x" truth[], truths truth[]);
COMMENT ON TABLE names IS '"""evil: Int" @graphql({"description": "\"\"\" } type Evil { x: Int } \\\"\"\""})';
