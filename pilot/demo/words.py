"""What invented people are called and what they say. Nobody here exists; any likeness is chance."""

from __future__ import annotations

from typing import NamedTuple


class Background(NamedTuple):
    """Names that go together, and the languages that some who have them would rather speak, in one line."""

    given_names: str
    family_names: str
    languages: str


NAMES = (
    Background(
        "Alice Andrew Barbara Callum Charlotte Daniel Debbie Emily Frank Gemma Harry Jack Jade Karen "
        "Liam Lucy Martin Nicola Oliver Paul Rachel Sam Sharon Stephen Terry Tracey Wendy",
        "Abbott Barker Bright Chapman Cole Dawson Ellis Fisher Goodwin Harper Hobbs Jarvis Kemp Lawson "
        "Marsh Nash Osborne Palmer Quick Reeve Sawyer Tanner Underhill Vickers Webb Yates",
        "",
    ),
    Background(
        "Aoife Brendan Ciara Declan Eileen Kieran Maeve Niall Orla Seamus",
        "Brennan Doyle Gallagher Keane Lynch Mulligan Nolan Quinn Sheridan",
        "",
    ),
    Background(
        "Ayşe Burak Deniz Elif Emre Fatma Hakan Leyla Mehmet Selin Yusuf Zeynep",
        "Akın Bayram Çelik Demirci Erdem Güneş Kaplan Özkan Şahin Yıldız",
        "Turkish",
    ),
    Background(
        "Abdi Asha Faduma Hodan Idil Khadra Mahad Nasra Sagal Warsame",
        "Abdullahi Adan Dahir Elmi Farah Guled Hersi Jama Warfa",
        "Somali",
    ),
    Background(
        "Abena Adjoa Blessing Chidi Emeka Esi Femi Kofi Kwame Ngozi Tunde Yaa",
        "Adeyemi Amoah Asante Boateng Eze Mensah Nwosu Obi Okonkwo Owusu Sowande",
        "",
    ),
    Background(
        "Delroy Desmond Joy Leroy Marcia Marlon Precious Shanice Tyrone Yvonne",
        "Baptiste Campbell Francis Grant Lewin Pinnock Samuels Thompson Wray",
        "",
    ),
    Background(
        "Anwara Farida Habib Imran Jamal Nadia Rafiq Sabina Shahid Tahmina Zara",
        "Ahmed Begum Chowdhury Hossain Islam Khan Miah Rahman Uddin",
        "Bengali Sylheti Urdu",
    ),
    Background(
        "Agnieszka Ana Carlos Dorota Inês João Luz Marek Mateo Piotr Rosa Tomasz",
        "Alvarez Costa Ferreira Kowalczyk Lisowski Moreno Nowicki Pereira Wrona",
        "Polish Portuguese Spanish",
    ),
    Background(
        "Andreas Chen Eleni Hui Lin Mei Minh Stavros Thanh Wei",
        "Chan Georgiou Ho Kyriacou Lam Nguyen Savva Tran Wong",
        "Cantonese Greek Vietnamese",
    ),
)

PRONOUNS = ("she/her", "he/him", "they/them")
STREETS = (
    "Larkspur Row",
    "Old Forge Lane",
    "Tanyard Street",
    "Weaver’s Court",
    "Cloudesway",
    "Millpond Road",
    "Sable Street",
    "Parchment Walk",
    "Fiddler’s Green",
    "Ironmonger Rise",
    "Candle Yard",
    "Plumtree Gardens",
    "Northgate Buildings",
    "Osier Street",
    "Bellfounder Road",
    "Ropewalk Terrace",
)
# Not in use by anybody: no postcode ends like this here.
POSTCODES = ("N1 0ZZ", "N4 0ZZ", "N5 0ZZ", "N7 0ZZ", "N19 0ZZ", "EC1V 0ZZ")

NEEDS_NOTES = (
    "Please speak slowly and write down what was agreed.",
    "Cannot manage the stairs. The ground-floor room is fine.",
    "Brings her sister, who helps with forms.",
    "Phone calls are hard. A text first helps.",
    "Needs 16-point print, black on cream.",
    "Afternoons are better than mornings.",
)

OWN_WORDS = (
    "I used to cook in a school kitchen and I miss it. I would like to find out what is out there now.",
    "I have been off for a while and I do not know where to start. Just to talk it through would be good.",
    "Something part time, near home, so that I can still collect my grandson.",
    "I like my job but the hours are wearing me out. I want to ask for different ones and do not know how.",
    "I have never written a CV. I would like help with that first.",
    "I drove a van for eleven years. I would like something that is not driving.",
    "I want to work with animals, paid or not paid to begin with.",
    "I finished college last year and nobody has answered my letters.",
    "I would like to mend bikes. I have the tools, not the confidence.",
    "Back to care work, but days only this time.",
    "My English is better now and I would like to use what I studied at home.",
    "I am thinking of going back after my leave, slowly.",
    "I would like a garden job. I am happiest outside.",
    "I want to know if I can work a few hours and still manage at home.",
    "To be honest I am not sure yet. I would like to hear what it is before I say yes.",
    "I sew. People ask me to alter things. Could that be a business?",
    "I would like to retrain. Computers, maybe.",
    "A quiet place to work. Open offices are not for me.",
    "I want to keep the job I have. My manager has been all right about it so far.",
    "I have worked in shops all my life and I would like to try something else while I still can.",
    "I would like to help at the food bank to get used to going out to work again.",
    "I want somebody to practise interviews with.",
)

GOALS = (
    "Two mornings a week, near home.",
    "Write a CV that I would not be ashamed to show.",
    "Find out what I would be good at now.",
    "Ask my manager for a later start.",
    "A Saturday at the garden centre to see if I like it.",
    "Get my food hygiene certificate.",
    "Get used to a timetable again before I apply for anything.",
    "Talk to three people who do the job I am thinking of.",
    "Work where I can sit down.",
    "Be able to explain the gap without shaking.",
    "Earn enough to take the children out once a month.",
    "Set up a table at the market by spring.",
    "Learn spreadsheets at the library.",
    "Start with volunteering and see how it goes.",
    "Something in the day, so that evenings are mine.",
    "Go back to my old place for one day a week.",
)

TALKED = (
    "We talked about what you liked in your last job and what you would not do again.",
    "We looked at your CV together and put the cooking first.",
    "We practised the phone call to the garden centre.",
    "We went through two adverts and what they really ask for.",
    "We talked about how to ask for different hours.",
    "We drew the week on paper, with rest in it.",
    "We wrote down the questions that you want to ask them.",
    "We read the letter from college together.",
    "We talked about what to say about the years in between, and what not to say.",
    "We talked about the trial day. You said it was tiring and good.",
    "We looked at three courses. You like the one on Tuesdays.",
    "We talked about nothing to do with work for a while, which you said you needed.",
)
YOU_WILL = (
    "You will bring the old certificates if you can find them.",
    "You will ask your neighbour how she heard about the job.",
    "You will read the advert again and mark what you like.",
    "You will ring if the day does not suit after all.",
    "You will try the bus at the time you would need it.",
    "You will think about Saturdays and tell me what you decide.",
    "You will show the CV to your daughter.",
    "There is nothing for you to do before next time.",
)
I_WILL = (
    "I will ask at the library about the computer course.",
    "I will find out who does the hiring there.",
    "I will print the CV on the thick paper.",
    "I will send you the map.",
    "I will look for part-time posts within half an hour of you.",
    "I will write down today’s ideas and give you the page.",
    "I will ask whether the room has a step.",
    "I will look up what the pay is, so that we know.",
)

CLINICAL_NOTES = (
    "Asked about coaching. Understood what it is and is not. Wants time to think, and to raise it.",
    "Review of tablets done today. Sleeping better. No reason on our side to put coaching off.",
    "Wishes to wait until physiotherapy has finished. Health care first; agreed together.",
    "Talked about pacing and rest days. Letter to employer offered if wanted; not wanted now.",
    "Mood steady. Knows how to reach us and the crisis line. Coaching goes on at their request.",
    "Breathing review. Dusty work would not suit; told the patient, who will decide what to say to anybody.",
    "Back pain review. Lifting advice given. Patient keen to try a few hours a week.",
    "Blood results normal. Told the patient by phone.",
    "New diagnosis talked through. Asked that nobody outside the practice hears of it.",
    "Hearing test arranged. Asked to have sessions in the quiet room meanwhile.",
)
CAPACITY_NOTE = (
    "Asked to explain coaching back in their own words, and did: what it is, that it is their choice, "
    "that they can stop. Weighed it up aloud. No reason to doubt capacity for this decision today."
)
THIRD_PARTY_NOTE = "Rung by a relative, who asked that the call not be mentioned."

SAFE_PLACES = (
    "Room 2, with me",
    "Reception, sitting with a colleague",
    "At home, on the phone",
    "In the garden at the back",
)
MEETING_POINTS = (
    "The library on the corner",
    "The café by the lock",
    "The community garden",
    "A walk along the canal",
)
ROOMS = ("Room 1", "Room 2", "The quiet room", "The room at the end of the corridor")
