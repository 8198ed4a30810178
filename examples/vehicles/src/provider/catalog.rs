//! What every subscription starts with: a small dealership. All names are made up. How the data is
//! kept apart is in `tenants`.

use super::customers::{Address, Customer, CustomerName};
use super::picture::BodyStyle;
use super::vehicles::{NewVehicle, Vehicle};
use std::sync::{Arc, LazyLock};

/// Vehicles are drawn once and shared by every subscription that has not deleted them.
pub(super) static VEHICLES: LazyLock<Vec<Arc<Vehicle>>> = LazyLock::new(|| {
    let numbered = (FIRST_VEHICLE..).zip(SEEDS);
    numbered
        .map(|(number, seed)| Arc::new(Vehicle::new(number, seed.into())))
        .collect()
});

pub(super) static CUSTOMERS: LazyLock<Vec<Arc<Customer>>> = LazyLock::new(|| {
    let numbered = (FIRST_CUSTOMER..).zip(PEOPLE);
    numbered
        .map(|(number, person)| Arc::new(customer(number, person)))
        .collect()
});

pub(super) const FIRST_VEHICLE: u32 = 1001;
pub(super) const FIRST_CUSTOMER: u32 = 2001;

#[derive(Clone, Copy)]
struct Seed(
    u16,
    &'static str,
    &'static str,
    BodyStyle,
    &'static str,
    u32,
    u32,
    &'static str,
);

const SEEDS: [Seed; 12] = [
    Seed(
        2024,
        "Aurora",
        "Lark",
        BodyStyle::Sedan,
        "blue",
        8_450,
        27_990,
        "One owner, full service history. Quiet on long roads and easy to park.",
    ),
    Seed(
        2023,
        "Borealis",
        "Fjord",
        BodyStyle::Suv,
        "green",
        21_300,
        38_450,
        "Seven seats, all-wheel drive and a heated everything. Winter tyres included.",
    ),
    Seed(
        2022,
        "Cresta",
        "Hauler",
        BodyStyle::Pickup,
        "red",
        34_800,
        41_200,
        "Crew cab with a lined bed and a tow hitch. Honest work, honest scratches.",
    ),
    Seed(
        2025,
        "Delmar",
        "Pico",
        BodyStyle::Hatchback,
        "yellow",
        1_200,
        19_750,
        "Fully electric city car. Charges overnight from an ordinary socket.",
    ),
    Seed(
        2023,
        "Aurora",
        "Strada",
        BodyStyle::Coupe,
        "black",
        15_900,
        46_800,
        "Six cylinders, manual gearbox, never tracked. The radio is optional.",
    ),
    Seed(
        2021,
        "Borealis",
        "Nomad",
        BodyStyle::Van,
        "white",
        58_100,
        29_900,
        "Panel van with a second row of seats. Fits a bicycle, a band, or both.",
    ),
    Seed(
        2024,
        "Cresta",
        "Meadow",
        BodyStyle::Wagon,
        "silver",
        12_750,
        33_600,
        "Plug-in hybrid wagon with a flat load floor. The dog has already approved.",
    ),
    Seed(
        2022,
        "Delmar",
        "Breeze",
        BodyStyle::Convertible,
        "teal",
        18_200,
        35_250,
        "Two seats, one soft roof, no bad days. Garaged every winter.",
    ),
    Seed(
        2023,
        "Cresta",
        "Ridge",
        BodyStyle::Suv,
        "orange",
        26_400,
        31_990,
        "Compact sport utility with a panoramic roof and a recent inspection.",
    ),
    Seed(
        2020,
        "Aurora",
        "Lark",
        BodyStyle::Sedan,
        "grey",
        61_700,
        16_480,
        "High mileage, low price. New brakes, new battery, same good manners.",
    ),
    Seed(
        2025,
        "Borealis",
        "Tundra Line",
        BodyStyle::Pickup,
        "blue",
        950,
        57_300,
        "Extended range electric pickup that can power a house for two days.",
    ),
    Seed(
        2024,
        "Delmar",
        "Pico Plus",
        BodyStyle::Hatchback,
        "red",
        6_600,
        22_300,
        "Five doors, adaptive cruise, and a boot that swallows a week of groceries.",
    ),
];

impl From<Seed> for NewVehicle {
    fn from(Seed(year, make, model, body_style, color, miles, price, text): Seed) -> Self {
        Self {
            year,
            make: make.to_owned(),
            model: model.to_owned(),
            body_style,
            color,
            mileage: miles,
            description: text.to_owned(),
            net_price: f64::from(price),
            currency_code: "USD".to_owned(),
        }
    }
}

type Person = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// First name, last name, street, city, state, postal code. Addresses and numbers lead nowhere.
const PEOPLE: [Person; 6] = [
    ("Ada", "Marsh", "12 Orchard Lane", "Columbus", "OH", "43004"),
    (
        "Benedikt",
        "Olsen",
        "480 Harbor Street",
        "Portland",
        "ME",
        "04101",
    ),
    ("Chiara", "Novak", "7 Quarry Road", "Austin", "TX", "78702"),
    (
        "Dele",
        "Adeyemi",
        "2290 Prairie Avenue",
        "Des Moines",
        "IA",
        "50309",
    ),
    (
        "Esther",
        "Lindqvist",
        "31 Canal Walk",
        "Richmond",
        "VA",
        "23219",
    ),
    ("Farid", "Haddad", "905 Mesa Drive", "Tucson", "AZ", "85701"),
];

fn customer(number: u32, (first, last, street, city, state, postal_code): Person) -> Customer {
    Customer {
        id: format!("cus-{number}"),
        name: CustomerName {
            first: first.to_owned(),
            last: last.to_owned(),
        },
        email: format!("{first}.{last}@example.com").to_lowercase(),
        // 555-0100 to 555-0199 are set aside for fiction.
        phone: format!("(614) 555-01{:02}", number % 100),
        address: Address {
            street: street.to_owned(),
            city: city.to_owned(),
            state: state.to_owned(),
            postal_code: postal_code.to_owned(),
            country_code: "US".to_owned(),
        },
    }
}
