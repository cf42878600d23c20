//! Generates random documents from the schema, and random changes of documents.

use plaudit::auth::Role;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use tests::{Kind, School};

use crate::document::{Document, Field};
use crate::schema::{Argument, Definition, Schema};

/// The roles of senders.
const ROLES: [Role; 4] = [Role::SuperAdmin, Role::Teacher, Role::Student, Role::Parent];
/// The only mutation that changes nothing but the audit log.
const MUTATION: &str = "exportPerson";
/// Levels of objects in a new field.
const LEVELS: usize = 5;
/// The maximum number of copies of a field that one change adds. More would exceed the limit of aliases.
const COPIES: usize = 30;

/// A source of documents.
pub(crate) struct Generator {
    pub(crate) schema: Schema,
    school: School,
    /// The keys of achievements, as listed by the server.
    achievements: Vec<String>,
    rng: StdRng,
}

impl Generator {
    pub(crate) fn new(schema: Schema, school: School, achievements: Vec<String>, rng: StdRng) -> Self {
        Self { schema, school, achievements, rng }
    }

    /// A new document with one to four root fields.
    pub(crate) fn document(&mut self) -> Document {
        let role = self.role();
        let is_mutation = self.rng.random_ratio(1, 20);
        let mut document = Document { role, is_mutation, fields: Vec::new() };
        for _ in 0..self.rng.random_range(1..=4) {
            let field = self.field_of(document.root(), LEVELS);
            document.fields.extend(field);
        }
        document
    }

    /// The document with one to three changes.
    pub(crate) fn changed(&mut self, document: &Document) -> Document {
        let mut document = document.clone();
        for _ in 0..self.rng.random_range(1..=3) {
            self.change(&mut document);
        }
        document
    }

    /// A random index into a list; lower indexes are more frequent.
    pub(crate) fn early_place(&mut self, length: usize) -> usize {
        let draw = |rng: &mut StdRng| rng.random_range(0..length.max(1));
        draw(&mut self.rng).min(draw(&mut self.rng))
    }

    fn change(&mut self, document: &mut Document) {
        let number = self.rng.random_range(0..=document.size());
        match self.rng.random_range(0..8) {
            0 => document.role = self.role(),
            1 | 2 => {
                // One more field in a selection.
                let levels = self.rng.random_range(1..=LEVELS);
                if let Some((fields, ty)) = document.selection(number)
                    && let Some(field) = self.field_of(&ty, levels)
                {
                    fields.push(field);
                }
            }
            3 => {
                if let Some((fields, _)) = document.selection(number)
                    && fields.len() > 1
                {
                    fields.swap_remove(self.rng.random_range(0..fields.len()));
                }
            }
            4 => self.copy(document, number),
            5 => {
                // All fields that the field can select, without arguments.
                if let Some((fields, ty)) = document.selection(number)
                    && number > 0
                {
                    for definition in self.leaves(&ty) {
                        if fields.iter().all(|field| field.name != definition.name) {
                            fields.push(self.field(&definition, 0));
                        }
                    }
                }
            }
            _ => {
                if let Some(field) = document.field(number.max(1))
                    && let Some(definition) = self.definition(field)
                {
                    field.arguments = self.arguments(&definition.arguments);
                }
            }
        }
    }

    /// Copies a field of a selection up to the limit of aliases, sometimes with other arguments.
    fn copy(&mut self, document: &mut Document, number: usize) {
        let copies = *[1, 2, 4, COPIES].choose(&mut self.rng).expect("there are some");
        let Some((fields, ty)) = document.selection(number) else { return };
        let Some(original) = fields.choose(&mut self.rng).cloned() else { return };
        let definition = self.schema.field(&ty, &original.name).cloned();
        let is_varied = self.rng.random();
        for _ in 0..copies {
            let mut copy = original.clone();
            if let Some(definition) = definition.as_ref().filter(|_| is_varied) {
                copy.arguments = self.arguments(&definition.arguments);
            }
            fields.push(copy);
        }
    }

    fn role(&mut self) -> Role {
        *ROLES.choose(&mut self.rng).expect("there are some")
    }

    fn definition(&self, field: &Field) -> Option<Definition> {
        // Fields of one name have the same arguments in all types, except lists of one person.
        let mut all = self.schema.objects.values().flatten();
        all.find(|definition| definition.name == field.name && definition.ty == field.ty).cloned()
    }

    /// The fields of a type that have no selection.
    fn leaves(&self, ty: &str) -> Vec<Definition> {
        let fields = self.schema.objects.get(ty).into_iter().flatten();
        fields.filter(|field| !self.schema.objects.contains_key(&field.ty)).cloned().collect()
    }

    /// A field of this type; none if the type has no fields.
    fn field_of(&mut self, ty: &str, levels: usize) -> Option<Field> {
        let fields = self.schema.objects.get(ty)?;
        let possible: Vec<&Definition> = match ty {
            "Mutation" => fields.iter().filter(|field| field.name == MUTATION).collect(),
            _ if levels == 0 => {
                fields.iter().filter(|field| !self.schema.objects.contains_key(&field.ty)).collect()
            }
            _ => fields.iter().collect(),
        };
        let definition = (*possible.choose(&mut self.rng)?).clone();
        Some(self.field(&definition, levels))
    }

    fn field(&mut self, definition: &Definition, levels: usize) -> Field {
        let arguments = self.arguments(&definition.arguments);
        let mut field =
            Field { name: definition.name.clone(), ty: definition.ty.clone(), arguments, fields: Vec::new() };
        if self.schema.objects.contains_key(&field.ty) {
            field.fields = self.selection(&field.ty, levels);
        }
        field
    }

    /// A selection of a type: some fields without a selection, and some with one.
    fn selection(&mut self, ty: &str, levels: usize) -> Vec<Field> {
        let mut definitions = self.schema.objects.get(ty).cloned().unwrap_or_default();
        definitions.shuffle(&mut self.rng);
        let mut fields = Vec::new();
        let mut nested = 0;
        for definition in definitions {
            let is_object = self.schema.objects.contains_key(&definition.ty);
            // A page has its rows twice, as nodes and as edges; most documents select the nodes.
            let is_wanted = match definition.name.as_str() {
                "nodes" => true,
                "edges" | "pageInfo" => self.rng.random_ratio(1, 10),
                _ if is_object => nested < 2 && self.rng.random_ratio(1, 2),
                _ => self.rng.random_ratio(2, 3),
            };
            if is_wanted && (!is_object || levels > 0) {
                nested += usize::from(is_object);
                fields.push(self.field(&definition, levels.saturating_sub(1)));
            }
        }
        if ty == "Node"
            && let Some(on) = self.schema.nodes.choose(&mut self.rng).cloned()
            && levels > 0
        {
            let inside = self.selection(&on, levels - 1);
            fields.push(Field {
                name: format!("... on {on}"),
                ty: on,
                arguments: Vec::new(),
                fields: inside,
            });
        }
        if fields.is_empty() {
            let name = "__typename".to_owned();
            fields.push(Field { name, ty: "String".to_owned(), arguments: Vec::new(), fields: Vec::new() });
        }
        fields
    }

    fn arguments(&mut self, definitions: &[Argument]) -> Vec<(String, String)> {
        let mut arguments = Vec::new();
        for definition in definitions {
            let is_taken = definition.is_required
                || match definition.name.as_str() {
                    "first" => true,
                    // Cursors come from answers. `last` requires `before`, and reads a list as `first` does.
                    "after" | "before" | "last" => false,
                    _ => self.rng.random(),
                };
            if is_taken && let Some(value) = self.value(definition) {
                arguments.push((definition.name.clone(), value));
            }
        }
        arguments
    }

    /// An existing value, as a literal.
    fn value(&mut self, argument: &Argument) -> Option<String> {
        if let Some(values) = self.schema.enums.get(&argument.ty) {
            return values.choose(&mut self.rng).cloned();
        }
        if let Some(fields) = self.schema.inputs.get(&argument.ty).cloned() {
            let fields: Vec<String> =
                self.arguments(&fields).into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
            return Some(format!("{{{}}}", fields.join(",")));
        }
        let rng = &mut self.rng;
        let person = match rng.random_range(0..4) {
            0 => School::teacher(),
            1 => School::parent(),
            2 => self.school.student(rng.random_range(0..1_000)),
            _ => School::busiest(),
        };
        let value = match argument.name.as_str() {
            "first" if rng.random_ratio(9, 10) => return Some("100".to_owned()),
            "first" => return Some(rng.random_range(1..100).to_string()),
            "userId" | "studentId" | "around" => person.to_string(),
            "teacherId" => School::teacher().to_string(),
            "courseId" => Kind::Course.id(1).to_string(),
            "lessonId" => Kind::Lesson.id(1).to_string(),
            "id" => {
                let kinds = [Kind::Person, Kind::Course, Kind::Lesson, Kind::Certificate, Kind::Award];
                kinds.choose(rng).expect("there are some").id(rng.random_range(113..=200)).to_string()
            }
            "achievement" | "key" if rng.random() => "aurora/first-steps".to_owned(),
            "achievement" | "key" => self.achievements.choose(rng)?.clone(),
            "pack" => ["aurora", "tests", "code-lab", "course-portal"].choose(rng)?.to_string(),
            "search" => ["student", "student 1", "e", "nothing like it"].choose(rng)?.to_string(),
            "metric" => "xp".to_owned(),
            _ => return None,
        };
        Some(format!("\"{value}\""))
    }
}
